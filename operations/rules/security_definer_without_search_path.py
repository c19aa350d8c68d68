"""SECURITY DEFINER without a search_path of its own."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    options = node.options or ()
    definer = any(item.defname == "security" and item.arg.boolval for item in options)
    path = any(item.defname == "set" and item.arg.name == "search_path" for item in options)
    if definer and not path and not node.sql_body:
        yield Found(f"Whoever calls {dotted(node.funcname)[1]}() decides by their search_path what its owner runs.")


RULE = Rule(
    name="security-definer-without-search-path",
    severity="warning",
    problem="A SECURITY DEFINER function without a search_path of its own lets its callers act as its owner.",
    help="Add SET search_path = pg_catalog, your_schema, pg_temp to the function.",
    nodes=("CreateFunctionStmt",),
    check=_check,
)
