"""The safe form of adding a constraint: NOT VALID now, and to be validated in a later transaction. Pure."""

from __future__ import annotations

from operations.quoting import identifier
from operations.rules.model import Context
from operations.rules.places import whole_lines


def suggestion(context: Context) -> str | None:
    """In place of a statement that adds one named constraint and does nothing else."""
    node, statement = context.node, context.statement
    if len(node.cmds) != 1 or node.cmds[0].subtype.name != "AT_AddConstraint":
        return None
    constraint = node.cmds[0].def_
    if not constraint.conname or not whole_lines(context.source.text, statement):
        return None
    schema = (node.relation.schemaname,) if node.relation.schemaname else ()
    table = identifier(*schema, node.relation.relname)
    return (
        f"{statement.text} NOT VALID;\n"
        f"-- In a later migration: ALTER TABLE {table} VALIDATE CONSTRAINT {identifier(constraint.conname)};"
    )
