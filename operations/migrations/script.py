"""What a migration's SQL is made of, and whether it can run in one transaction. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from operations.errors import MigrationFilesError, Place
from operations.migrations.atomicity import Judgement, Verdict, judge
from operations.migrations.enums import added_values
from operations.migrations.parsing import Parsing, parse
from operations.migrations.statement import Statement

__all__ = [
    "Script", "Statement", "Verdict", "combined", "may_change_database", "may_use_uncommitted", "place",
    "read_script", "refuse_unsendable",
    "script_of",
]  # fmt: skip

BYTE_ORDER_MARK = "\ufeff"
_DATABASE = re.compile(r"\b(database|owned|(alter|drop)\s+(role|user|group))\b", re.IGNORECASE)


class Script(Struct, frozen=True):
    """A migration's script, taken apart.

    ``statements`` is ``None`` where the parser does not understand it. What ``verdict`` calls atomic is run as
    ``begin``, ``body``, COMMIT: ``body`` is ``text`` with the transaction commands that ``begin`` stands for blanked
    out, so that offsets, lines and columns stay right. ``alone`` says why it must not share its transaction with other
    files. ``enum_values`` are those it adds.
    """

    name: str
    text: str
    statements: tuple[Statement, ...] | None
    verdict: Verdict
    begin: str
    body: str
    alone: str | None
    enum_values: tuple[str, ...] = ()

    @property
    def body_statements(self) -> tuple[Statement, ...]:
        """Those that the server finds in ``body``; none where the parser does not understand it."""
        return tuple(one for one in self.statements or () if self.body[one.start : one.end].strip())


def read_script(name: str, text: str) -> Script:
    """Take a script apart; raises ``MigrationFilesError`` where PostgreSQL could not even be sent it."""
    refuse_unsendable(name, text)
    return script_of(name, text, parse(text))


def refuse_unsendable(name: str, text: str) -> None:
    """Raise ``MigrationFilesError`` for a byte order mark or a NUL character."""
    if text.startswith(BYTE_ORDER_MARK):
        raise MigrationFilesError(
            f"The script of {name} begins with a byte order mark, which PostgreSQL takes for a syntax error.",
            hint="Save the file as UTF-8 without BOM: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE",
        )
    if "\0" in text:
        raise MigrationFilesError(
            f"The script of {name} holds a NUL character ({place(name, text, text.index(chr(0)))}), which PostgreSQL "
            "cannot take.",
            hint="Is it a text file? Remove the character.",
        )


def script_of(name: str, text: str, parsing: Parsing) -> Script:
    """The same of a text that PostgreSQL can be sent, and that has been parsed."""
    parsed = parsing.parsed
    if parsed is None:
        return Script(name, text, None, _unparsable(text, parsing), "BEGIN", text, None)
    judgement = judge(parsed)
    return Script(
        name=name,
        text=text,
        statements=tuple(one.statement for one in parsed),
        verdict=judgement.verdict,
        begin=judgement.begin,
        body=_body(text, judgement),
        alone=judgement.alone,
        enum_values=tuple(added_values(parsed)),
    )


def combined(scripts: Sequence[Script]) -> Verdict:
    """Whether the scripts, in this order, can share one transaction, and which one is why not.

    An added enum value that a later file seems to use is only said: whether it is that type's value, only PostgreSQL
    knows (55P04), and asking it costs nothing.
    """
    for script in scripts:
        if not script.verdict.atomic:
            return Verdict(False, f"{script.name}: {script.verdict.reason}", script.verdict.line)
    if len(scripts) == 1:
        return scripts[0].verdict
    for script in scripts:
        if script.alone:
            return Verdict(False, f"{script.name} needs a transaction of its own: {script.alone}")
    if not scripts:
        return Verdict(True, "there is nothing to run")
    first, *more = [*_hints(scripts), ""]
    others = f", and {len(more) - 1} more like it" if len(more) > 1 else ""
    return Verdict(True, f"{len(scripts)} files can share one transaction{first}{others}")


def place(file: str, text: str, offset: int) -> Place:
    """The line and column of a character offset in a file's text."""
    start = text.rfind("\n", 0, offset) + 1
    return Place(file, text.count("\n", 0, offset) + 1, offset - start + 1)


def _unparsable(text: str, parsing: Parsing) -> Verdict:
    where = place("", text, parsing.offset)
    return Verdict(
        False,
        f"the grammar of PostgreSQL 18 does not know it ({parsing.problem}, line {where.line}, column {where.column}); "
        "it is sent as one message, which PostgreSQL runs as one transaction unless it holds commits of its own",
        where.line,
    )


def _body(text: str, judgement: Judgement) -> str:
    body = text
    for statement in judgement.blanked:
        blank = "".join(character if character in "\r\n" else " " for character in statement.text)
        body = body[: statement.start] + blank + body[statement.end :]
    return body


def may_change_database(text: str) -> bool:
    """Whether a script may change what the database is besides its content, as its words tell.

    By REASSIGN OWNED and DROP OWNED, and by roles that are renamed or dropped, too. What functions do that existed
    before cannot be told.
    """
    return bool(_DATABASE.search(text))


def may_use_uncommitted(scripts: Sequence[Script]) -> frozenset[str]:
    """Names of those that seem to use an enum value that one before them adds."""
    return frozenset(one.name for _, value, later in _added(scripts) for one in later if value in one.text)


def _hints(scripts: Sequence[Script]) -> Iterable[str]:
    for adding, value, later in _added(scripts):
        user = next((one.name for one in later if value in one.text), None)
        if user:
            yield f"; {user} may use the enum value {value} of {adding.name} before it is committed (55P04)"


def _added(scripts: Sequence[Script]) -> Iterable[tuple[Script, str, Sequence[Script]]]:
    """Scripts that add an enum value, the value as SQL quotes it, and the scripts behind them."""
    for index, script in enumerate(scripts):
        for value in script.enum_values:
            yield script, "'" + value.replace("'", "''") + "'", scripts[index + 1 :]
