"""Primary keys that run out after two thousand million rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.columns import new_columns
from operations.rules.model import Context, Found, Rule
from operations.rules.state import column_constraints
from operations.rules.types import type_of
from operations.rules.wording import named

_SMALL = {"int2", "int4"}


def _check(context: Context) -> Iterator[Found]:
    keys = _key_columns(context.node)
    found = [
        (at, column.colname)
        for at, column in new_columns(context.node)
        if type_of(column.typeName).name in _SMALL
        and (column.colname in keys or "PRIMARY" in column_constraints(column))
    ]
    if found:
        names = [name for _, name in found]
        yield Found(f"{named('Column', names)}: numbers above 2 147 483 647 do not fit.", found[0][0])


def _key_columns(node: Any) -> set[str]:
    elements = node.tableElts or () if type(node).__name__ == "CreateStmt" else ()
    keys = [e for e in elements if type(e).__name__ == "Constraint" and e.contype.name == "CONSTR_PRIMARY"]
    return {part.sval for key in keys for part in key.keys or ()}


RULE = Rule(
    name="prefer-bigint-over-int",
    severity="off",
    problem="An int primary key runs out of numbers, and changing its type then rewrites the table.",
    help="Use bigint (Prisma: BigInt).",
    nodes=("CreateStmt", "AlterTableStmt"),
    check=_check,
)
