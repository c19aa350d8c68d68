"""A file that ends its transaction before it ends."""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.kinds import transaction_command
from operations.rules.model import Found, Rule
from operations.rules.source import Source


def _check(source: Source) -> Iterator[Found]:
    verdict = source.judgement.verdict
    for one in () if verdict.atomic else source.parsed:
        command = transaction_command(one.node)
        if command and one.statement.line == verdict.line:
            yield Found(f"{verdict.reason}.", offset=one.statement.start)
            return


RULE = Rule(
    name="transaction-nesting",
    severity="warning",
    problem="BEGIN and COMMIT in the middle of a file make what stands before them final, whatever happens after.",
    help="Leave them out: a migration is run in a transaction where that is possible. What must be committed first "
    "belongs into a migration of its own.",
    check_file=_check,
)
