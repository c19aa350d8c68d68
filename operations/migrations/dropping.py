"""Which indexes a statement drops. Pure."""

from __future__ import annotations

from operations.migrations.splitting import Unparsable, split
from operations.quoting import identifier


def dropped_indexes(statement: str) -> tuple[str, ...]:
    """Quoted, dotted names of the indexes that a DROP INDEX names; empty for any other statement."""
    try:
        (piece,) = split(statement)
    except (Unparsable, ValueError):
        return ()
    node = piece.exact_node()
    if type(node).__name__ != "DropStmt" or node.removeType.name != "OBJECT_INDEX":
        return ()
    return tuple(identifier(*(part.sval for part in parts)) for parts in node.objects)
