"""Runs one migration as a deploy would, and notes what each statement does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from msgspec import Struct

from operations.errors import StatementFailed
from operations.migrations.script import Script, Statement
from operations.ports import Session
from operations.segments import TRANSACTION_COMMANDS, Segment, segments_of
from operations.validation.excuses import excuse
from operations.validation.measuring import (
    Effects,
    Relation,
    Touched,
    effects,
    standing,
    touched,
    transaction_number,
    wal_position,
)
from operations.validation.model import StatementRun, TableLock
from operations.writes import flush

SETTINGS = {"lock_timeout": "10s", "idle_session_timeout": "0"}
ALONE = 1_000
"""Statements of a script that are run one by one; of a longer script neighbours go together."""
AT_ONCE = 2_000
ROWS = frozenset({"INSERT", "SELECT"})
"""Kinds that go together in any case: they are many, and lock nothing that matters."""
OWN_LOCK = "ShareUpdateExclusiveLock"
"""What all that works CONCURRENTLY holds while others read and write."""
INVALID_TERMINATION = "2D000"

BEYOND = "on a server that is not ours, nothing runs that reaches beyond its database"


class ScriptFailed(Exception):
    """A statement failed, at a character offset of the script; nothing of its transaction stands."""

    def __init__(self, error: StatementFailed, offset: int, end: int | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.offset = offset
        self.end = end


class TransactionEnded(ScriptFailed):
    """What the server reads in the script ended its transaction before all of it had run: of that, something stands."""

    def __init__(self, statement: Statement) -> None:
        error = StatementFailed(
            "The transaction in which the file runs has ended here, so it is not atomic after all",
            sqlstate=INVALID_TERMINATION,
            server_hint="The server reads the text from here on in another way than it is written, as after SET "
            "standard_conforming_strings = off: write it so that both read the same.",
        )
        super().__init__(error, statement.start, statement.end)


class _TakenBack(Exception):
    """Ends a transaction that is only a trial."""


class LeftOut(Struct, frozen=True):
    """A statement that the trial server cannot run, though another one might."""

    statement: Statement
    why: str
    error: StatementFailed | None = None


@dataclass
class Replay:
    """One migration on one session. ``lenient``: what only the trial server cannot run is left out (``left_out``).

    ``beyond``: statements that may not run there, as they reach beyond their database.
    """

    session: Session
    script: Script
    file: str
    lenient: bool
    beyond: Sequence[Statement] = ()
    commit: bool = True
    """False: an atomic script is taken back before its commit, after all that a commit would look at."""
    then: Callable[[], None] = lambda: None
    """What is done as soon as it is applied, taken back or not."""
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)
    wal: bool = False
    """Whether the log that each statement writes is measured."""
    left_out: list[LeftOut] = field(default_factory=list)
    runs: list[StatementRun] = field(default_factory=list)
    _known: dict[int, Relation] = field(default_factory=dict)

    def run(self) -> tuple[StatementRun, ...]:
        """Apply it, then call ``then``: committed, or, without ``commit``, in the transaction that is then taken back.

        Raises ``ScriptFailed``, ``ConnectionLost``, and what ``then`` raises.
        """
        self.left_out += (LeftOut(one, BEYOND) for one in self.beyond)
        self._known = standing(self.session)
        self.session.reset(self.settings)
        if any(statement.kind == "PREPARE" for statement in self.script.statements or ()):
            self.session.execute("DEALLOCATE ALL")  # no ROLLBACK does that, where it was tried before
        if self.script.statements is None:
            self._message(Segment(self.script.text, 0, False, True, ()))
        elif self.script.verdict.atomic:
            self._transaction(self.script.begin, self.script.statements)
        else:
            for segment in segments_of(self.script):
                self._segment(segment)
            if self.session.in_transaction:
                self.session.execute("COMMIT")
        self.session.reset(self.settings)
        if self.commit:
            self.then()
        return tuple(self.runs)

    def _segment(self, segment: Segment) -> None:
        if segment.in_transaction:
            self._transaction("BEGIN", segment.statements)
        else:
            self._by_itself(segment)

    def _transaction(self, begin: str, statements: Sequence[Statement]) -> None:
        """Once more without it, where a statement may be left out."""
        while True:
            done, text = len(self.runs), self._text
            pieces = [s for s in statements if text[s.start : s.end].strip()]
            try:
                self._attempt(begin, pieces)
                return
            except ScriptFailed as failed:
                del self.runs[done:]
                if not self._may_leave_out(failed, pieces):
                    raise

    def _attempt(self, begin: str, pieces: Sequence[Statement]) -> None:
        with suppress(_TakenBack), _AtCommit(pieces) as script:
            flush(self.session)  # or scans of the transactions before would be taken for this one's
            with self.session.transaction(begin):
                self._statements(pieces)
                if not self.commit:
                    self.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
                    script.over = True
                    self.session.reset(self.settings)
                    self.then()
                    raise _TakenBack

    def _statements(self, pieces: Sequence[Statement]) -> None:
        """In the transaction that is open. Its number is not asked for before the first message, as SET TRANSACTION may
        only come first; how a script is read can change from the second one on.
        """
        before: dict[int, Touched] = {}
        number = ""
        for batch in _batches(pieces):
            before = self._measured(batch, before)
            number = number or transaction_number(self.session)
        if pieces and transaction_number(self.session) != number:
            raise TransactionEnded(pieces[-1])

    def _by_itself(self, segment: Segment) -> None:
        (statement,) = segment.statements
        if any(one.statement is statement for one in self.left_out):
            return
        began, written = time.monotonic(), self._written()
        known = self._locked_outside(statement)
        try:
            self._send([statement])
        except ScriptFailed as failed:
            if self.session.in_transaction:
                self.session.execute("ROLLBACK")
                raise
            if not self._may_leave_out(failed, [statement]):
                raise
            return
        if statement.kind in TRANSACTION_COMMANDS:
            return
        self.runs.append(self._run([statement], time.monotonic() - began, known, written))

    def _measured(self, batch: Sequence[Statement], before: dict[int, Touched]) -> dict[int, Touched]:
        written, began = self._written(), time.monotonic()
        self._send(batch)
        seconds = time.monotonic() - began
        if not self.session.in_transaction:
            raise TransactionEnded(batch[0])
        try:
            after = touched(self.session)
        except StatementFailed as error:  # a script can change what a session understands
            raise ScriptFailed(error, batch[0].start, batch[-1].end) from error
        self.runs.append(self._run(batch, seconds, effects(batch[0].kind, before, after, self._known), written))
        return after

    def _send(self, batch: Sequence[Statement]) -> None:
        start, end = batch[0].start, batch[-1].end
        try:
            self.session.script(self._text[start:end])
        except StatementFailed as error:
            within = batch[min(error.statement, len(batch) - 1)]
            offset = within.start if error.position is None else start + error.position
            raise ScriptFailed(error, offset, within.end) from error

    def _message(self, segment: Segment) -> None:
        written, began = self._written(), time.monotonic()
        try:
            self.session.script(segment.text)
        except StatementFailed as error:
            raise ScriptFailed(error, error.position or 0, None) from error
        seconds, wal = time.monotonic() - began, self._wal_since(written)
        self.runs.append(StatementRun(self.file, 1, 1, "whole file", seconds, wal_bytes=wal))

    def _written(self) -> int:
        return wal_position(self.session) if self.wal else 0

    def _wal_since(self, written: int) -> int | None:
        return wal_position(self.session) - written if self.wal else None

    def _run(self, batch: Sequence[Statement], seconds: float, found: Effects, written: int) -> StatementRun:
        first = batch[0]
        kind = first.kind if len(batch) == 1 else f"{first.kind} and {len(batch) - 1} more"
        return StatementRun(
            self.file,
            first.line,
            first.column,
            kind,
            seconds,
            found.locks,
            found.rewrites,
            found.scans,
            self._wal_since(written),
        )

    def _locked_outside(self, statement: Statement) -> Effects:
        """Such a statement's locks are gone when it is done; those of its own table are known beforehand."""
        found = self.session.rows(
            "SELECT pg_catalog.to_regclass(name)::pg_catalog.oid::bigint"
            " FROM pg_catalog.unnest(%s::pg_catalog.text[]) name",
            (list(statement.relations),),
        )
        names = sorted(self._known[oid].name for (oid,) in found if oid in self._known)
        if not statement.kind.endswith("CONCURRENTLY") and not statement.kind.startswith("VACUUM"):
            return Effects()
        scans = tuple(names) if statement.kind.startswith("CREATE INDEX") else ()
        return Effects(tuple(TableLock(name, OWN_LOCK) for name in names), (), scans)

    @property
    def _text(self) -> str:
        """The script, with blanks for what is not to be sent."""
        text = self.script.body if self.script.verdict.atomic else self.script.text
        for statement in (one.statement for one in self.left_out):
            text = text[: statement.start] + " " * (statement.end - statement.start) + text[statement.end :]
        return text

    def _may_leave_out(self, failed: ScriptFailed, among: Sequence[Statement]) -> bool:
        statement = next((s for s in among if s.start <= failed.offset < s.end), None)
        why = excuse(failed.error, statement.kind) if self.lenient and statement else None
        if statement is None or why is None:
            return False
        self.left_out.append(LeftOut(statement, why, failed.error))
        return True


class _AtCommit:
    """What fails at COMMIT only is told at the last statement; once the script is ``over``, errors are our own."""

    def __init__(self, pieces: Sequence[Statement]) -> None:
        self._pieces, self.over = pieces, False

    def __enter__(self) -> _AtCommit:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StatementFailed) and not self.over:
            last = self._pieces[-1] if self._pieces else None
            raise ScriptFailed(error, last.start if last else 0, last.end if last else None) from error


def _batches(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """Neighbours that are sent as one message."""
    many = len(statements) > ALONE
    batch: list[Statement] = []
    for statement in statements:
        together = batch and len(batch) < AT_ONCE and (many or (statement.kind in ROWS and batch[-1].kind in ROWS))
        if batch and not together:
            yield batch
            batch = []
        batch.append(statement)
    if batch:
        yield batch
