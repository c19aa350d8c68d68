"""DROP NOT NULL."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.state import commands
from operations.rules.wording import named


def _check(context: Context) -> Iterator[Found]:
    table = context.state.of(context.node.relation)
    columns = [
        (at, command.name)
        for at, (kind, command) in enumerate(commands(context.node))
        if kind == "DropNotNull" and table.old and command.name not in table.added
    ]
    if columns:
        names = [name for _, name in columns]
        yield Found(
            f"Code that never met NULL in {named('column', names)} of {table} may do so now.",
            columns[0][0],
            about=str(table),
        )


RULE = Rule(
    name="ban-drop-not-null",
    severity="off",
    problem="Code that is still running may not bear NULL where there was none.",
    help="First deploy code that can read NULL there, then drop NOT NULL.",
    nodes=("AlterTableStmt",),
    check=_check,
)
