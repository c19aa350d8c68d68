"""CONCURRENTLY left out of what is applied to an empty database, where nobody can be kept waiting. Pure.

It makes the same index (and drops it as well), but cannot run in a transaction. Without it the first deploy of a long
history can be one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from operations.migrations.atomicity import Verdict
from operations.migrations.partitioning import may_partition
from operations.migrations.script import Script
from operations.migrations.statement import Statement

_INDEXES = frozenset({"CREATE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY"})


def without_concurrently(scripts: Mapping[str, Script]) -> dict[str, Script]:
    """The scripts; in the ``body`` of those that do nothing but make and drop indexes spaces stand in its place.

    None where a table may be partitioned: there PostgreSQL refuses the word, and so must we. With rows in the same
    file, whose triggers may be pending, an index could be made only after their commit.
    """
    if may_partition(scripts.values()):
        return dict(scripts)
    return {name: _unhurried(script) for name, script in scripts.items()}


def _unhurried(script: Script) -> Script:
    statements = script.statements
    if not statements or any(statement.kind not in _INDEXES for statement in statements):
        return script
    body = script.text
    for statement in statements:
        start, end = _place(statement)
        body = body[:start] + " " * (end - start) + body[end:]
    line = statements[0].line
    reason = f"its CONCURRENTLY (line {line}) is left out: the database is empty, so nobody waits"
    return replace(
        script,
        body=body,
        statements=tuple(_transactional(statement, body) for statement in statements),
        verdict=Verdict(True, reason, line),
    )


def _transactional(statement: Statement, body: str) -> Statement:
    return replace(
        statement,
        text=body[statement.start : statement.end],
        kind=statement.kind.removesuffix(" CONCURRENTLY"),
        transactional=True,
    )


def _place(statement: Statement) -> tuple[int, int]:
    """Where the word stands in the script: the first token of that kind, as none can come before it."""
    from operations.migrations.parser import scan

    token = next(token for token in scan(statement.text) if token.name == "CONCURRENTLY")
    return statement.start + token.start, statement.start + token.end + 1
