"""ALTER COLUMN … TYPE that writes every row anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.state import TableState, commands
from operations.rules.types import keeps_rows, type_of
from operations.rules.wording import listed, named


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    if table is None:
        return
    changed = [
        (at, command.name)
        for at, (kind, command) in enumerate(commands(context.node))
        if kind == "AlterColumnType" and not _harmless(context, table, command)
    ]
    if changed:
        names = [name for _, name in changed]
        unsure = "" if all(table.columns.get(name) for name in names) else ", unless the old type allows it to be kept"
        yield Found(
            f"All of {table}{table.size} is written anew while nothing can read or write it{unsure}: "
            f"{named('column', names)}.",
            changed[0][0],
            about=listed([f"{table}.{name}" for name in names]),
        )


def _harmless(context: Context, table: TableState, command: Any) -> bool:
    old, new = table.columns.get(command.name), type_of(command.def_.typeName)
    if old is None or command.def_.collClause or not _only_casts(command):
        return False
    return keeps_rows(old, new, context.state.domains, context.state.default, context.state.utc)


def _only_casts(command: Any) -> bool:
    """Whether USING says no more than the type change itself."""
    expression, new = command.def_.raw_default, type_of(command.def_.typeName)
    if type(expression).__name__ == "TypeCast" and type_of(expression.typeName) == new:
        expression = expression.arg
    if expression is None:
        return True
    return type(expression).__name__ == "ColumnRef" and getattr(expression.fields[-1], "sval", "") == command.name


RULE = Rule(
    name="changing-column-type",
    severity="warning",
    problem="Most changes of a column's type rewrite the table and its indexes while nothing can read or write it.",
    help="Add a column of the new type, fill it in batches, and let the code move over; or deploy with the application "
    "stopped.",
    nodes=("AlterTableStmt",),
    check=_check,
)
