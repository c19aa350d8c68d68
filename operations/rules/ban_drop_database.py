"""DROP DATABASE."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule


def _check(context: Context) -> Iterator[Found]:
    yield Found(f"The database {context.node.dbname} is dropped, with all there is in it.")


RULE = Rule(
    name="ban-drop-database",
    severity="error",
    problem="A migration has no business with a whole database.",
    help="Drop databases by hand, after a backup.",
    nodes=("DropdbStmt",),
    check=_check,
)
