"""A new foreign key without an index on its own columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import constraint
from operations.rules.state import TableState, column_constraints, commands
from operations.rules.wording import listed


def _check(context: Context) -> Iterator[Found]:
    table = context.state.of(context.node.relation)
    if not (table.old and table.known):
        return
    for at, (kind, command) in enumerate(commands(context.node)):
        columns = _referring(kind, command)
        if columns and not _indexed(context, table, columns):
            yield Found(
                f"No index of {table}{table.size} begins with {listed(columns)}: each DELETE in the table that it "
                "refers to reads all of it.",
                at,
                about=str(table),
            )


def _referring(kind: str, command: Any) -> tuple[str, ...]:
    if kind == "AddConstraint" and command.def_.contype.name == "CONSTR_FOREIGN":
        return constraint(command.def_).columns
    if kind == "AddColumn" and "FOREIGN" in column_constraints(command.def_):
        return (command.def_.colname,)
    return ()


def _indexed(context: Context, table: TableState, columns: tuple[str, ...]) -> bool:
    wanted = frozenset(columns)
    return table.begun[wanted] > 0 or wanted in context.indexes.get(table.name, ())


RULE = Rule(
    name="missing-foreign-key-index",
    severity="note",
    problem="Without an index on a foreign key's own columns, each DELETE in the other table reads this one whole.",
    help="Add an index (Prisma: @@index), CONCURRENTLY, in a migration of its own.",
    nodes=("AlterTableStmt",),
    check=_check,
)
