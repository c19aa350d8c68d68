"""Safe forms of statements, to stand in their place. Pure."""

from __future__ import annotations

from operations.quoting import identifier
from operations.rules.model import Context
from operations.rules.places import indentation, tokens


def not_valid(context: Context) -> str | None:
    """Of a statement that adds one named constraint and does nothing else: NOT VALID, and what is to be done later."""
    node, statement = context.node, context.statement
    if len(node.cmds) != 1 or node.cmds[0].subtype.name != "AT_AddConstraint":
        return None
    constraint = node.cmds[0].def_
    indent = indentation(context.source.text, statement)
    if not constraint.conname or indent is None:
        return None
    schema = (node.relation.schemaname,) if node.relation.schemaname else ()
    table = identifier(*schema, node.relation.relname)
    later = f"ALTER TABLE {table} VALIDATE CONSTRAINT {identifier(constraint.conname)};"
    if len(later.splitlines()) > 1:  # a name that would end the comment, and go on as SQL
        return None
    return f"{indent}{statement.text} NOT VALID;\n{indent}-- In a later migration: {later}"


def with_word(context: Context, after: str, word: str) -> str | None:
    """The statement with one more keyword behind the first ``after``; ``None`` if its lines hold anything else."""
    statement = context.statement
    indent = indentation(context.source.text, statement)
    if indent is None:
        return None
    end = next((token.end + 1 for token in tokens(statement.text) if token.name == after), None)
    return None if end is None else f"{indent}{statement.text[:end]} {word}{statement.text[end:]};"
