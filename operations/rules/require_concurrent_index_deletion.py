"""DROP INDEX without CONCURRENTLY on a table that is in use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.suggesting import with_word
from operations.rules.wording import listed, named


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    if node.removeType.name != "OBJECT_INDEX" or node.concurrent:
        return
    tables = [(dotted(parts)[1], context.state.indexed(parts)) for parts in node.objects]
    dropped = [name for name, table in tables if table.old and table.rows != 0]
    if dropped:
        simple = context.alone and len(node.objects) == 1 and node.behavior.name == "DROP_RESTRICT"
        yield Found(
            f"Dropping {named('index', dropped)} waits for everything that uses the "
            "table, and everything that comes later waits for it.",
            about=listed(dropped),
            suggestion=with_word(context, "INDEX", "CONCURRENTLY") if simple else None,
        )


RULE = Rule(
    name="require-concurrent-index-deletion",
    severity="note",
    problem="Dropping an index locks its table against reads and writes, if only for a moment.",
    help="Use DROP INDEX CONCURRENTLY, alone in a migration of its own: it cannot run in a transaction.",
    nodes=("DropStmt",),
    check=_check,
)
