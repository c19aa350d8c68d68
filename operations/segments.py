"""How a migration that is not atomic is run: in pieces, each of which commits whole or not at all. Pure."""

from __future__ import annotations

from msgspec import Struct

from operations.migrations.script import Script, Statement

ADD_VALUE = "ALTER TYPE ADD VALUE"
MAY_BE_REFUSED = frozenset({"REINDEX", "CLUSTER"})
"""In a transaction, where the table is partitioned, which only the database tells (``migrations.partitioned``)."""
TRANSACTION_COMMANDS = frozenset(
    {"BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"}
    | {"PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED"}
)

COMMITTING = frozenset({"DO", "CALL"})
"""Where they end transactions by themselves, their rows cannot be counted as ours."""


class Segment(Struct, frozen=True):
    """A piece of a script; ``offset`` is where ``text`` begins in the file, counted in characters.

    ``in_transaction``: run in one of ours. ``verbatim``: sent as it is, for the file's own transaction commands rule.
    """

    text: str
    offset: int
    in_transaction: bool
    verbatim: bool
    statements: tuple[Statement, ...]


def commits_itself(script: Script) -> bool:
    """Whether the script holds transaction commands that we cannot take over."""
    return not script.verdict.atomic and any(s.kind in TRANSACTION_COMMANDS for s in script.statements or ())


def commits_within(segment: Segment) -> bool:
    """Whether it may commit a part of what it does, and then fail."""
    return not segment.in_transaction and any(s.kind in COMMITTING for s in segment.statements)


def whole(script: Script) -> Segment:
    """The script as one message."""
    return Segment(script.text, 0, in_transaction=False, verbatim=True, statements=script.statements or ())


def segments_of(script: Script) -> tuple[Segment, ...]:
    """The pieces of a script in order.

    With transaction commands of its own, every statement is a piece. Otherwise what can run in a transaction is
    grouped; an added enum value ends its group, since PostgreSQL lets it be used only after the commit (55P04). What
    may be refused there stands by itself in any case, so that the pieces have the same numbers without the database.
    """
    verbatim = commits_itself(script)
    groups: list[list[Statement]] = []
    closed = True
    for statement in script.statements or ():
        alone = verbatim or not statement.transactional or statement.kind in MAY_BE_REFUSED
        if closed or alone:
            groups.append([])
        groups[-1].append(statement)
        closed = alone or statement.kind == ADD_VALUE
    return tuple(_segment(script, tuple(group), verbatim) for group in groups)


def _segment(script: Script, statements: tuple[Statement, ...], verbatim: bool) -> Segment:
    start, end = statements[0].start, statements[-1].end
    in_transaction = not verbatim and statements[0].transactional
    return Segment(script.text[start:end], start, in_transaction, verbatim, statements)
