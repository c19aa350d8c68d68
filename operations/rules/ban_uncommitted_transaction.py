"""BEGIN without COMMIT."""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.kinds import transaction_command
from operations.rules.model import Found, Rule
from operations.rules.source import Source


def _check(source: Source) -> Iterator[Found]:
    begun = None
    for one in source.parsed:
        command = transaction_command(one.node)
        if command in ("BEGIN", "START TRANSACTION"):
            begun = begun or one.statement
        elif command in ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION"):
            begun = None
    if begun:
        yield Found(f"This {begun.kind} is never committed.", offset=begun.start)


RULE = Rule(
    name="ban-uncommitted-transaction",
    severity="warning",
    problem="Run by other tools, a transaction that is never committed leaves nothing behind.",
    help="Leave BEGIN out, or add COMMIT at the end.",
    check_file=_check,
)
