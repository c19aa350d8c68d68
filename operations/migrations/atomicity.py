"""Whether a script can run in one transaction of ours, and if not, which statement is why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from operations.migrations.enums import Unsafe, unsafe_use
from operations.migrations.kinds import is_beyond, transaction_command
from operations.migrations.statement import Parsed, Statement

_MODES = {"transaction_isolation", "transaction_read_only", "transaction_deferrable"}


class Verdict(Struct, frozen=True):
    """``reason`` is a sentence's worth of words; ``line`` is where its cause stands, where one statement is it."""

    atomic: bool
    reason: str
    line: int | None = None


class Judgement(Struct, frozen=True):
    """A verdict with how to run what it says is atomic: ``Script`` tells the fields."""

    verdict: Verdict
    begin: str = "BEGIN"
    blanked: tuple[Statement, ...] = ()
    alone: str | None = None


class _NotAtomic(Exception):
    def __init__(self, reason: str, statement: Statement) -> None:
        super().__init__(reason)
        self.verdict = Verdict(False, reason, statement.line)


@dataclass
class _Walk:
    """What the statements so far mean for the transaction that the next one finds itself in."""

    begin: Statement | None = None
    commit: Statement | None = None
    modes: list[str] = field(default_factory=list)
    blanked: list[Statement] = field(default_factory=list)
    alone: str | None = None
    worked: bool = False

    def step(self, statement: Statement, node: Any) -> None:
        if self.commit:
            raise _NotAtomic(
                f"COMMIT in line {self.commit.line} is not the end of the file: what comes before it stays, whatever "
                "happens after it",
                self.commit,
            )
        command = transaction_command(node)
        if command:
            self._command(command, statement, node)
        elif statement.kind == "SET TRANSACTION":
            self._set_transaction(statement, node)
        elif not statement.transactional:
            raise _NotAtomic(_why(statement), statement)
        else:
            self.worked = True
            self.alone = self.alone or _alone(statement, node)

    def _command(self, command: str, statement: Statement, node: Any) -> None:
        if command in ("BEGIN", "START TRANSACTION"):
            modes = _modes(node.options, statement)
            if modes and self.worked:
                raise _NotAtomic(f"{command} with options must come first", statement)
            self.modes += modes
            self.begin = self.begin or statement
            self.blanked.append(statement)
        elif command == "COMMIT" and not node.chain:
            self.commit = statement
            self.blanked.append(statement)
        elif command in ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"):
            self.worked = True
            self.alone = self.alone or f"its {command} (line {statement.line}) could meet another file's savepoint"
        elif command == "PREPARE TRANSACTION":
            raise _NotAtomic(
                f"{command} ends the transaction in the middle of the file, and what it has prepared holds its locks "
                "until it is committed or rolled back by name, whatever becomes of the file",
                statement,
            )
        else:
            chain = " AND CHAIN" if node.chain else ""
            raise _NotAtomic(f"{command}{chain} ends the transaction in the middle of the file", statement)

    def _set_transaction(self, statement: Statement, node: Any) -> None:
        modes = _modes(node.args, statement) if node.name == "TRANSACTION" else ["SNAPSHOT"]
        if self.worked or modes == ["SNAPSHOT"]:
            raise _NotAtomic("SET TRANSACTION must come first in a transaction, and it cannot here", statement)
        self.modes += modes
        self.blanked.append(statement)

    def verdict(self) -> Judgement:
        alone = self.alone
        if any(not mode.startswith("READ") for mode in self.modes):
            alone = f"it asks for a transaction of its own kind ({', '.join(self.modes)})"
        begin = "BEGIN " + ", ".join(self.modes) if self.modes else "BEGIN"
        return Judgement(Verdict(True, self._reason()), begin, tuple(self.blanked), alone)

    def _reason(self) -> str:
        if self.begin and self.commit:
            return f"its own {self.begin.kind} … COMMIT (lines {self.begin.line} and {self.commit.line}) encloses it"
        if self.begin:
            return f"its own {self.begin.kind} (line {self.begin.line}) is never committed; it runs in one that is"
        if self.commit:
            return f"its only COMMIT (line {self.commit.line}) comes at the end"
        return "every statement can run in a transaction" if self.worked else "there is nothing in it to run"


def judge(parsed: Sequence[Parsed]) -> Judgement:
    """The verdict over a script's statements in order."""
    walk = _Walk()
    try:
        for one in parsed:
            walk.step(one.statement, one.node)
        unsafe = unsafe_use(parsed)
        if unsafe:
            raise _NotAtomic(_uncommitted(unsafe), unsafe.used_in)
    except _NotAtomic as found:
        return Judgement(found.verdict)
    return walk.verdict()


def _why(statement: Statement) -> str:
    if statement.kind == "DO":
        return "the DO block ends transactions itself (2D000 inside of one)"
    if statement.kind == "CALL":
        return "the procedure that CALL runs may end transactions itself (2D000 inside of one)"
    lasts = ", and no way back takes it back: it reaches beyond this database" if is_beyond(statement.kind) else ""
    return f"{statement.kind} cannot run in a transaction (25001){lasts}"


def _uncommitted(unsafe: Unsafe) -> str:
    return (
        f"the enum value {unsafe.value!r}, added in line {unsafe.added_in.line}, is used before it is committed (55P04)"
    )


def _modes(options: Sequence[Any] | None, statement: Statement) -> list[str]:
    """Transaction modes as BEGIN takes them."""
    return [_mode(item, statement) for item in options or ()]


def _mode(item: Any, statement: Statement) -> str:
    value = item.arg.val
    if item.defname == "transaction_isolation":
        return f"ISOLATION LEVEL {value.sval.upper()}"
    if item.defname == "transaction_read_only":
        if value.ival:
            raise _NotAtomic("its transaction is READ ONLY, so its history row cannot be written in it", statement)
        return "READ WRITE"
    return "DEFERRABLE" if value.ival else "NOT DEFERRABLE"


def _alone(statement: Statement, node: Any) -> str | None:
    """Why a statement, though atomic, reaches beyond its file in a transaction that others share."""
    line = f"(line {statement.line})"
    if statement.kind == "SET CONSTRAINTS":
        return f"its SET CONSTRAINTS {line} would hold for the files after it"
    if statement.kind == "DECLARE CURSOR":
        return f"its cursor {line} would stay open for the files after it"
    if statement.kind == "LISTEN":
        return f"its LISTEN {line} takes effect at the commit"
    if statement.kind == "SET" and node.name in _MODES:
        return f"its SET {node.name} {line} would hold for the files after it"
    into = getattr(node, "into", None)
    action = getattr(node, "oncommit", None) or (into and into.onCommit)
    if action and action.name in ("ONCOMMIT_DROP", "ONCOMMIT_DELETE_ROWS"):
        return f"its temporary table {line} is made to end with the transaction"
    return None
