"""char(n)."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.columns import new_columns
from operations.rules.model import Context, Found, Rule
from operations.rules.types import type_of
from operations.rules.wording import named


def _check(context: Context) -> Iterator[Found]:
    found = [
        (at, column.colname) for at, column in new_columns(context.node) if type_of(column.typeName).name == "bpchar"
    ]
    if found:
        yield Found(f"{named('Column', [name for _, name in found])}: char(n) pads with blanks.", found[0][0])


RULE = Rule(
    name="ban-char-field",
    severity="note",
    problem="char(n) pads what it stores with blanks, and is no faster than text.",
    help="Use text, with a CHECK on its length where that matters.",
    nodes=("CreateStmt", "AlterTableStmt"),
    check=_check,
)
