"""DETACH PARTITION without CONCURRENTLY."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.state import commands


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    for index, (kind, command) in enumerate(commands(context.node)):
        if table and kind == "DetachPartition" and not command.def_.concurrent:
            yield Found(f"Detaching locks {table} and the partition against reads and writes.", index)


RULE = Rule(
    name="require-concurrent-partition-detach",
    severity="warning",
    problem="Detaching a partition locks the whole partitioned table against reads and writes.",
    help="Use DETACH PARTITION … CONCURRENTLY, alone in a migration of its own.",
    nodes=("AlterTableStmt",),
    check=_check,
)
