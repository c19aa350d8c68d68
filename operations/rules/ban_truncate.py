"""TRUNCATE of a table that stood before."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.wording import listed, named


def _check(context: Context) -> Iterator[Found]:
    tables = [table for relation in context.node.relations if (table := context.state.busy(relation))]
    if tables:
        names = [f"{table}{table.size}" for table in tables]
        cascade = " Every table that refers to it is emptied as well." * (context.node.behavior.name == "DROP_CASCADE")
        yield Found(f"{named('Table', names)}: all rows are lost.{cascade}", about=listed(names))


RULE = Rule(
    name="ban-truncate",
    severity="warning",
    problem="TRUNCATE throws all rows away, and with CASCADE those of other tables.",
    help="Delete the rows that are meant, with a WHERE; if it is really all of them, allow that here.",
    nodes=("TruncateStmt",),
    check=_check,
)
