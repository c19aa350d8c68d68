"""UPDATE or DELETE of a whole table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.migrations.enums import tree
from operations.rules.model import Context, Found, Rule

_COMPARED = {"AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY"}


def _check(context: Context) -> Iterator[Found]:
    for node in _writes(context.node):
        yield from _of(context, node)


def _writes(node: Any) -> Iterator[Any]:
    """The statement, and those within its WITH."""
    for query in (node, *(cte.ctequery for cte in (node.withClause.ctes if node.withClause else ()))):
        if type(query).__name__ in ("UpdateStmt", "DeleteStmt"):
            yield query


def _of(context: Context, node: Any) -> Iterator[Found]:
    table = context.state.busy(node.relation)
    if table is None or _picks(node):
        return
    deletes = type(node).__name__ == "DeleteStmt"
    ddl = context.transaction in context.source.with_ddl
    if not ddl and node.whereClause:
        return
    verb = "deleted" if deletes else "written"
    locked = " while the transaction holds the locks of its other statements" if ddl else ""
    yield Found(f"Every row of {table}{table.size} may be {verb} in one go{locked}.", about=str(table))


def _picks(node: Any) -> bool:
    """Whether WHERE compares a column with a constant, as one does who means certain rows."""
    for item in tree(node.whereClause) if node.whereClause else ():
        if type(item).__name__ == "A_Expr" and item.kind.name in _COMPARED:
            sides = [_constant(item.lexpr), _constant(item.rexpr)]
            if any(sides) and item.name[-1].sval not in ("<>", "!="):
                return True
    return False


def _constant(side: Any) -> bool:
    if isinstance(side, tuple):
        return all(_constant(item) for item in side)
    while type(side).__name__ == "TypeCast":
        side = side.arg
    return type(side).__name__ in ("A_Const", "A_ArrayExpr")


RULE = Rule(
    name="whole-table-update",
    severity="warning",
    problem="Writing a whole table in one transaction holds its rows, and the locks of the schema changes beside it, "
    "to the end.",
    help="Write in batches, outside of the migration or in one of its own without schema changes.",
    nodes=("UpdateStmt", "DeleteStmt", "InsertStmt", "SelectStmt"),
    check=_check,
)
