"""A column that is NOT NULL and has no value for the rows that are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.state import column_constraints, commands
from operations.rules.types import SERIALS
from operations.rules.wording import named

_FILLED = {"DEFAULT", "IDENTITY", "GENERATED"}
_REQUIRED = {"NOTNULL", "PRIMARY"}


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    columns = [
        (at, command.def_.colname)
        for at, (kind, command) in enumerate(commands(context.node))
        if kind == "AddColumn" and _required(command.def_)
    ]
    if table and columns:
        names = [name for _, name in columns]
        holds = f"holds {table.size.strip(' ()')}" if table.rows else "holds a row"
        fails = "This fails, for" if table.rows else "This fails if"
        yield Found(
            f"{fails} {table} {holds}: {named('column', names)} must not be NULL, and nothing fills it.", columns[0][0]
        )


def _required(column: Any) -> bool:
    kinds = column_constraints(column).keys()
    serial = column.typeName and column.typeName.names[-1].sval in SERIALS
    return bool(_REQUIRED & kinds) and not _FILLED & kinds and not serial


RULE = Rule(
    name="adding-required-field",
    severity="error",
    problem="A NOT NULL column without a default cannot be added to a table that holds rows.",
    help="Give it a constant DEFAULT (which rewrites nothing), or add it without NOT NULL, fill it, and then make it "
    "so.",
    nodes=("AlterTableStmt",),
    check=_check,
)
