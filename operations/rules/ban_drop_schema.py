"""DROP SCHEMA."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.wording import listed


def _check(context: Context) -> Iterator[Found]:
    if context.node.removeType.name == "OBJECT_SCHEMA":
        names = listed([part.sval for part in context.node.objects])
        lost = ", and all there is in it" if context.node.behavior.name == "DROP_CASCADE" else ""
        yield Found(f"The schema {names} is dropped{lost}.", instead=frozenset({"ban-drop-cascade"}))


RULE = Rule(
    name="ban-drop-schema",
    severity="warning",
    problem="Dropping a schema breaks code that still uses what was in it.",
    help="Drop what is in it one by one, in deploys after the code has stopped using it.",
    nodes=("DropStmt",),
    check=_check,
)
