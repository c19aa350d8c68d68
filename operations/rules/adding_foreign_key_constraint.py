"""A foreign key without NOT VALID on a table that is in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.state import column_constraints, commands
from operations.rules.suggesting import not_valid
from operations.rules.wording import listed


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    keys = (
        []
        if table is None
        else [(at, key) for at, (kind, c) in enumerate(commands(context.node)) if (key := _key(kind, c))]
    )
    if table and keys:
        others = list(dict.fromkeys(str(context.state.of(key.pktable)) for _, key in keys))
        yield Found(
            f"Every row of {table}{table.size} is checked while nothing can write to it, nor to {listed(others)}.",
            keys[0][0],
            suggestion=not_valid(context),
            about=str(table),
        )


def _key(kind: str, command: Any) -> Any:
    """The foreign key that is checked at once; a new column that is NULL everywhere is not."""
    if kind == "AddConstraint" and command.def_.contype.name == "CONSTR_FOREIGN":
        return None if command.def_.skip_validation else command.def_
    if kind == "AddColumn":
        constraints = column_constraints(command.def_)
        return constraints.get("FOREIGN") if "DEFAULT" in constraints else None
    return None


RULE = Rule(
    name="adding-foreign-key-constraint",
    severity="warning",
    problem="Adding a foreign key checks every row, and blocks writes to both tables meanwhile.",
    help="Add it NOT VALID, which only locks for a moment, and VALIDATE CONSTRAINT in a later migration, which "
    "blocks no writes.",
    nodes=("AlterTableStmt",),
    check=_check,
)
