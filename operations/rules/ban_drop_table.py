"""DROP TABLE of a table that the code in production may still use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.wording import listed, named


def _check(context: Context) -> Iterator[Found]:
    if context.node.removeType.name != "OBJECT_TABLE":
        return
    names = (dotted(parts) for parts in context.node.objects)
    tables = [context.state.table((schema or context.state.default, name)) for schema, name in names]
    dropped = [f"{table}{table.size}" for table in tables if table.old]
    if dropped:
        cascade = " Whatever depends on it is dropped with it." * (context.node.behavior.name == "DROP_CASCADE")
        yield Found(
            f"{named('Table', dropped)}: all rows are lost, and code that still uses it fails.{cascade}",
            about=listed(dropped),
            instead=frozenset({"ban-drop-cascade"}),
        )


RULE = Rule(
    name="ban-drop-table",
    severity="warning",
    problem="Dropping a table breaks code that still uses it, and only a backup brings its rows back.",
    help="First deploy code that does not use it any more, then drop it in a later deploy, and allow that here.",
    nodes=("DropStmt",),
    check=_check,
)
