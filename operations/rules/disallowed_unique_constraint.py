"""UNIQUE, PRIMARY KEY and EXCLUDE on a table that is in use, without an index that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.state import column_constraints, commands

_KINDS = {"UNIQUE", "PRIMARY", "EXCLUSION"}


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    places = [at for at, (kind, command) in enumerate(commands(context.node)) if _builds(kind, command)]
    if table and places:
        yield Found(
            f"An index is built while nothing can read or write {table}{table.size}.", places[0], about=str(table)
        )


def _builds(kind: str, command: Any) -> bool:
    if kind == "AddColumn":
        return not _KINDS.isdisjoint(column_constraints(command.def_))
    if kind != "AddConstraint":
        return False
    return command.def_.contype.name.removeprefix("CONSTR_") in _KINDS and not command.def_.indexname


RULE = Rule(
    name="disallowed-unique-constraint",
    severity="warning",
    problem="Adding UNIQUE or PRIMARY KEY builds an index while the table is locked against reads and writes.",
    help="CREATE UNIQUE INDEX CONCURRENTLY in a migration of its own; then, in a later one, ADD CONSTRAINT … UNIQUE "
    "USING INDEX. (EXCLUDE cannot be added so.)",
    nodes=("AlterTableStmt",),
    check=_check,
)
