"""VALIDATE CONSTRAINT in the transaction that has added it."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.state import commands


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    if table is None:
        return
    own: set[str] = set()
    for at, (kind, command) in enumerate(commands(context.node)):
        if kind == "AddConstraint" and command.def_.skip_validation:
            own.add(command.def_.conname)
        if kind == "ValidateConstraint" and (command.name in own or _same(context, table.name, command.name)):
            yield Found(
                f"The lock that adding {command.name} took on {table}{table.size} is held while it reads it.", at
            )


def _same(context: Context, table: tuple[str, str], constraint: str) -> bool:
    here = (context.source.file, context.transaction)
    return context.transaction is not None and context.state.unvalidated.get((table, constraint)) == here


RULE = Rule(
    name="validate-constraint-in-same-transaction",
    severity="warning",
    problem="Validating a constraint in the transaction that adds it makes NOT VALID useless.",
    help="Put VALIDATE CONSTRAINT into a migration of its own, after this one.",
    nodes=("AlterTableStmt",),
    check=_check,
)
