"""ALTER DOMAIN … ADD CONSTRAINT without NOT VALID."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    schema, name = dotted(node.typeName)
    adds = node.subtype in ("C", "O") and not (node.def_ and node.def_.skip_validation)
    if adds and (schema or context.state.default, name) not in context.state.types:
        yield Found(f"Every table with a column of the domain {name} is read while nothing can write to it.")


RULE = Rule(
    name="ban-alter-domain-with-add-constraint",
    severity="warning",
    problem="A new constraint of a domain reads every table that uses it, and blocks writes meanwhile.",
    help="Add it NOT VALID, and ALTER DOMAIN … VALIDATE CONSTRAINT in a later migration.",
    nodes=("AlterDomainStmt",),
    check=_check,
)
