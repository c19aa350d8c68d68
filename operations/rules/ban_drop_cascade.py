"""CASCADE, which drops what is not named."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.state import commands

_DROPS = {"DropColumn", "DropConstraint"}


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    if type(node).__name__ == "AlterTableStmt":
        for at, (kind, command) in enumerate(commands(node)):
            if kind in _DROPS and command.behavior.name == "DROP_CASCADE" and context.state.of(node.relation).old:
                yield Found(f"Whatever depends on {command.name} is dropped with it, named nowhere.", at)
    elif node.behavior.name == "DROP_CASCADE" and not _own(context):
        yield Found("Whatever depends on it is dropped with it, named nowhere.")


def _own(context: Context) -> bool:
    """Whether all that is dropped was made by the new files."""
    node, state = context.node, context.state
    kind = node.removeType.name.removeprefix("OBJECT_")
    if kind == "TABLE":
        names = [dotted(parts) for parts in node.objects]
        return not any(state.table((schema or state.default, name)).old for schema, name in names)
    if kind == "TYPE":
        names = [dotted(item.names) for item in node.objects]
        return all((schema or state.default, name) in state.types for schema, name in names)
    return False


RULE = Rule(
    name="ban-drop-cascade",
    severity="warning",
    problem="CASCADE drops views, constraints and columns that the file does not name.",
    help="Drop what depends on it by name, so that a reader sees it; without CASCADE, PostgreSQL lists what is left.",
    nodes=("AlterTableStmt", "DropStmt"),
    check=_check,
)
