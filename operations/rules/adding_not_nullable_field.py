"""SET NOT NULL without a CHECK that has proved it already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.model import Context, Found, Rule
from operations.rules.state import TableState, commands
from operations.rules.wording import listed, named


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    if table is None:
        return
    columns = [
        (at, name) for at, (kind, command) in enumerate(commands(context.node)) for name in _columns(kind, command)
    ]
    scanned = [(at, name) for at, name in columns if name not in table.not_null and not _proved(table, name)]
    if scanned:
        names = [name for _, name in scanned]
        yield Found(
            f"Every row of {table}{table.size} is looked at for NULL in {named('column', names)} while nothing can "
            "read or write it.",
            scanned[0][0],
            about=listed([f"{table}.{name}" for name in names]),
        )


def _columns(kind: str, command: Any) -> tuple[str, ...]:
    if kind == "SetNotNull":
        return (command.name,)
    if kind == "AddConstraint" and command.def_.contype.name == "CONSTR_NOTNULL" and not command.def_.skip_validation:
        return tuple(key.sval for key in command.def_.keys or ())
    return ()


def _proved(table: TableState, column: str) -> bool:
    return any(shape.validated and column in shape.not_null for shape in table.constraints.values())


RULE = Rule(
    name="adding-not-nullable-field",
    severity="warning",
    problem="SET NOT NULL reads the whole table while it is locked against reads and writes.",
    help="First ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID, and VALIDATE CONSTRAINT in a later migration; "
    "then SET NOT NULL reads nothing, and the CHECK can be dropped.",
    nodes=("AlterTableStmt",),
    check=_check,
)
