"""Statements that cannot be run a second time, in a file that may have to be."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.state import commands


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    if context.transaction is not None or context.alone:
        return
    kind = type(node).__name__
    if kind == "AlterTableStmt":
        for at, (name, command) in enumerate(commands(node)):
            if name in ("AddColumn", "DropColumn", "DropConstraint") and not command.missing_ok:
                yield Found("If a later statement fails, this one cannot be run again.", at)
                return
    elif not (node.missing_ok if kind == "DropStmt" else node.if_not_exists):
        yield Found("If a later statement fails, this one cannot be run again.")


RULE = Rule(
    name="prefer-robust-stmts",
    severity="off",
    problem="In a file that is not run in a transaction, a failure leaves the statements before it behind.",
    help="Say IF NOT EXISTS or IF EXISTS, so that the file can be run again from its beginning.",
    nodes=("AlterTableStmt", "CreateStmt", "DropStmt", "IndexStmt"),
    check=_check,
)
