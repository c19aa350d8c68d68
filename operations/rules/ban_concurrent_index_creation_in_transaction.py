"""CONCURRENTLY where it fails, or takes the file's transaction away from it."""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.kinds import transaction_command
from operations.rules.model import Found, Rule
from operations.rules.source import Source


def _check(source: Source) -> Iterator[Found]:
    told = False
    for one, transaction in zip(source.parsed, source.transactions, strict=True):
        statement = one.statement
        if statement.transactional or transaction_command(one.node):
            continue
        if transaction is not None:
            yield Found(
                f"{statement.kind} fails here (25001): a transaction has been begun before it.",
                offset=statement.start,
                severity="error",
                help="End the transaction before it; better, give it a migration of its own.",
            )
        elif len(source.parsed) > 1 and not told:
            told = True
            yield Found(
                f"{statement.kind} cannot run in a transaction, so none of this file does: if one of its statements "
                "fails, those before it stay.",
                offset=statement.start,
            )


RULE = Rule(
    name="ban-concurrent-index-creation-in-transaction",
    severity="note",
    problem="What works CONCURRENTLY cannot run in a transaction, and takes it away from everything else in its file.",
    help="Give it a migration of its own.",
    check_file=_check,
)
