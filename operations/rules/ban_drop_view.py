"""DROP VIEW of a view that the code in production may still use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.wording import listed, named

_KINDS = {"OBJECT_VIEW", "OBJECT_MATVIEW"}


def _check(context: Context) -> Iterator[Found]:
    if context.node.removeType.name not in _KINDS:
        return
    names = (dotted(parts) for parts in context.node.objects)
    views = [context.state.table((schema or context.state.default, name)) for schema, name in names]
    dropped = [str(view) for view in views if view.old and view.name[1] not in context.source.views]
    if dropped:
        yield Found(f"{named('View', dropped)}: code that still uses it fails.", about=listed(dropped))


RULE = Rule(
    name="ban-drop-view",
    severity="warning",
    problem="Dropping a view breaks code that still uses it.",
    help="First deploy code that does not use it any more, then drop it in a later deploy, and allow that here.",
    nodes=("DropStmt",),
    check=_check,
)
