"""varchar(n)."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.columns import new_columns
from operations.rules.model import Context, Found, Rule
from operations.rules.types import type_of
from operations.rules.wording import named


def _check(context: Context) -> Iterator[Found]:
    found = [
        (at, column.colname)
        for at, column in new_columns(context.node)
        if type_of(column.typeName).name == "varchar" and type_of(column.typeName).modifiers
    ]
    if found:
        yield Found(
            f"{named('Column', [name for _, name in found])}: text with a CHECK is easier to change than varchar(n).",
            found[0][0],
        )


RULE = Rule(
    name="prefer-text-field",
    severity="off",
    problem="To make a varchar(n) shorter later, every row has to be checked under a lock.",
    help="Use text, with a CHECK on its length where that matters.",
    nodes=("CreateStmt", "AlterTableStmt"),
    check=_check,
)
