"""What writes a table anew without changing it: VACUUM FULL, CLUSTER, SET LOGGED, SET TABLESPACE …"""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.kinds import option
from operations.rules.model import Context, Found, Rule
from operations.rules.state import commands

_COMMANDS = {
    "SetLogged": "SET LOGGED",
    "SetUnLogged": "SET UNLOGGED",
    "SetTableSpace": "SET TABLESPACE",
    "SetAccessMethod": "SET ACCESS METHOD",
    "SetExpression": "SET EXPRESSION",
}


def _check(context: Context) -> Iterator[Found]:
    kind = type(context.node).__name__
    if kind == "AlterTableStmt":
        table = context.state.busy(context.node.relation)
        for at, (name, _) in enumerate(commands(context.node)):
            if table and name in _COMMANDS:
                yield Found(f"{_COMMANDS[name]} writes all of {table}{table.size} anew.", at)
    elif kind == "ClusterStmt":
        relation = context.node.relation
        if relation is None or context.state.busy(relation):
            yield Found("CLUSTER writes the table anew while nothing can read or write it.")
    elif option(context.node.options, "full", default=False):
        yield Found("VACUUM FULL writes the table anew while nothing can read or write it.")


RULE = Rule(
    name="rewriting-table",
    severity="warning",
    problem="The whole table is written anew while nothing can read or write it.",
    help="Do it with the application stopped, or by a tool such as pg_repack that works beside it.",
    nodes=("AlterTableStmt", "ClusterStmt", "VacuumStmt"),
    check=_check,
)
