"""DROP COLUMN of a column that the code in production may still use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.state import commands
from operations.rules.wording import listed, named


def _check(context: Context) -> Iterator[Found]:
    table = context.state.of(context.node.relation)
    dropped = [
        (at, command.name)
        for at, (kind, command) in enumerate(commands(context.node))
        if kind == "DropColumn" and table.old and command.name not in table.added
    ]
    if dropped:
        names = [name for _, name in dropped]
        yield Found(
            f"{named('Column', names)} of {table}{table.size}: what is in there is lost, and code that "
            "still names it fails.",
            dropped[0][0],
            about=listed([f"{table}.{name}" for name in names]),
        )


RULE = Rule(
    name="ban-drop-column",
    severity="warning",
    problem="Dropping a column breaks code that still uses it, and only a backup brings its values back.",
    help="First deploy code that does not use it any more, then drop it in a later deploy, and allow that here.",
    nodes=("AlterTableStmt",),
    check=_check,
)
