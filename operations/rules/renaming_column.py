"""RENAME COLUMN of a column that the code in production may still use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    if node.renameType.name != "OBJECT_COLUMN" or node.relationType.name != "OBJECT_TABLE":
        return
    table = context.state.of(node.relation)
    if table.old and node.subname not in table.added:
        yield Found(
            f"Code that still says {table}.{node.subname}, and not {node.newname}, fails.",
            about=f"{table}.{node.subname}",
        )


RULE = Rule(
    name="renaming-column",
    severity="warning",
    problem="Renaming a column breaks code that still uses the old name.",
    help="Keep the column's name and change the code's (Prisma: @map); or add a new column, fill it, move the code "
    "over, and drop the old one later.",
    nodes=("RenameStmt",),
    check=_check,
)
