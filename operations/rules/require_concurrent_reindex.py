"""REINDEX without CONCURRENTLY."""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.kinds import option
from operations.rules.model import Context, Found, Rule


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    if option(node.params, "concurrently", default=False):
        return
    if node.relation is None or context.state.busy(node.relation):
        yield Found("Nothing can write to the table, nor read by the index, while it is built anew.")


RULE = Rule(
    name="require-concurrent-reindex",
    severity="warning",
    problem="Rebuilding an index blocks all writes to the table until it is done.",
    help="Use REINDEX … CONCURRENTLY, alone in a migration of its own.",
    nodes=("ReindexStmt",),
    check=_check,
)
