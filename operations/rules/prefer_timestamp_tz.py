"""timestamp without time zone."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.columns import new_columns
from operations.rules.model import Context, Found, Rule
from operations.rules.types import type_of
from operations.rules.wording import named


def _check(context: Context) -> Iterator[Found]:
    found = [
        (at, column.colname) for at, column in new_columns(context.node) if type_of(column.typeName).name == "timestamp"
    ]
    if found:
        yield Found(
            f"{named('Column', [name for _, name in found])}: a timestamp without its time zone.",
            found[0][0],
        )


RULE = Rule(
    name="prefer-timestamp-tz",
    severity="off",
    problem="timestamp without time zone does not say which moment it means.",
    help="Use timestamptz (Prisma: @db.Timestamptz).",
    nodes=("CreateStmt", "AlterTableStmt"),
    check=_check,
)
