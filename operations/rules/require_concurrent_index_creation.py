"""CREATE INDEX without CONCURRENTLY on a table that is in use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.suggesting import with_word

_PARTITIONED = (
    "CONCURRENTLY is refused for a partitioned table: CREATE INDEX ON ONLY it, then one CONCURRENTLY on each "
    "partition, and ALTER INDEX … ATTACH PARTITION for each."
)


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    table = context.state.busy(node.relation)
    if table and not node.concurrent:
        yield Found(
            f"Nothing can write to {table}{table.size} while the index {node.idxname or ''} is built.".replace(
                "  ", " "
            ),
            about=str(table),
            help=_PARTITIONED if table.partitioned else None,
            suggestion=None if table.partitioned or not context.alone else with_word(context, "INDEX", "CONCURRENTLY"),
        )


RULE = Rule(
    name="require-concurrent-index-creation",
    severity="warning",
    problem="Building an index blocks all writes to the table until it is done.",
    help="Use CREATE INDEX CONCURRENTLY, alone in a migration of its own: it cannot run in a transaction.",
    nodes=("IndexStmt",),
    check=_check,
)
