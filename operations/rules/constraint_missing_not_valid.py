"""A CHECK without NOT VALID on a table that is in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.state import column_constraints, commands
from operations.rules.suggesting import not_valid


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    places = [at for at, (kind, command) in enumerate(commands(context.node)) if _is_check(kind, command)]
    if table and places:
        yield Found(
            f"Every row of {table}{table.size} is checked while nothing can read or write it.",
            places[0],
            suggestion=not_valid(context),
            about=str(table),
        )


def _is_check(kind: str, command: Any) -> bool:
    if kind == "AddColumn":
        return "CHECK" in column_constraints(command.def_)
    return (
        kind == "AddConstraint"
        and command.def_.contype.name == "CONSTR_CHECK"
        and not command.def_.skip_validation
        and bool(command.def_.is_enforced)
    )


RULE = Rule(
    name="constraint-missing-not-valid",
    severity="warning",
    problem="Adding a CHECK reads the whole table while it is locked against reads and writes.",
    help="Add it NOT VALID, which only locks for a moment, and VALIDATE CONSTRAINT in a later migration, which blocks "
    "neither reads nor writes.",
    nodes=("AlterTableStmt",),
    check=_check,
)
