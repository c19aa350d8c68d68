"""An enum made anew, as Prisma removes a value: create the new one, move the columns over, rename, drop the old one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.migrations.kinds import transaction_command
from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.state import commands
from operations.rules.types import type_of

_FARTHEST = 500
"""Statements that may lie between the first and the last: time must stay linear."""


def _check(context: Context) -> Iterator[Found]:
    parsed = context.source.parsed or ()
    _, new = dotted(context.node.typeName)
    renamed = context.source.renamed_types.get(new)
    if renamed is None or not context.index < renamed < context.index + _FARTHEST:
        return
    old = parsed[renamed].node.newname
    if any(name == old for _, name in context.state.types):
        return
    own, dropped, columns = _parts(context, new, old, renamed)
    if dropped:
        own = _with_transaction(context, own)
        moved = f" {', '.join(columns)}: written anew while nothing can read or write it." if columns else ""
        yield Found(
            f"The enum {old} is made anew.{moved} It fails if a row holds a value that is gone, and so does code "
            "that still writes one.",
            offset=parsed[own[0]].statement.start,
            statements=own,
            instead=frozenset({"changing-column-type", "renaming-type", "transaction-nesting", "ban-drop-cascade"}),
        )


def _parts(context: Context, new: str, old: str, renamed: int) -> tuple[tuple[int, ...], bool, tuple[str, ...]]:
    """The statements that belong to it, whether the old type is dropped, and the columns that are moved."""
    own, columns, aside, dropped = [context.index], [], old, False
    parsed = context.source.parsed or ()
    for at in range(context.index + 1, min(renamed + 10, len(parsed))):
        node = parsed[at].node
        kind = type(node).__name__
        if kind == "AlterTableStmt":
            moved = [command.name for name, command in commands(node) if _moves(name, command, new)]
            default = any(name == "ColumnDefault" for name, _ in commands(node))
            columns += [f"{context.state.of(node.relation)}.{name}" for name in moved]
            if moved or default:
                own.append(at)
        elif kind == "RenameStmt" and node.renameType.name == "OBJECT_TYPE" and dotted(node.object)[1] in (new, old):
            own.append(at)
            if dotted(node.object)[1] == old and at < renamed:
                aside = node.newname
        elif kind == "DropStmt" and node.removeType.name == "OBJECT_TYPE" and _drops(node, aside):
            if aside == old and at > renamed:
                continue  # the new one itself
            own.append(at)
            dropped = True
    return tuple(own), dropped, tuple(columns)


def _moves(name: str, command: Any, new: str) -> bool:
    return name == "AlterColumnType" and type_of(command.def_.typeName).name == new


def _drops(node: Any, name: str) -> bool:
    return any(dotted(item.names)[1] == name for item in node.objects)


def _with_transaction(context: Context, own: tuple[int, ...]) -> tuple[int, ...]:
    """With the BEGIN right before and the COMMIT right after."""
    parsed = context.source.parsed or ()
    first, last = own[0], own[-1]
    begun = first > 0 and transaction_command(parsed[first - 1].node) == "BEGIN"
    if not begun:
        return own
    end = next(
        (at for at in range(last + 1, min(last + 10, len(parsed))) if transaction_command(parsed[at].node)), None
    )
    return (first - 1, *own, end) if end is not None else own


RULE = Rule(
    name="recreating-enum",
    severity="warning",
    problem="Removing a value makes the enum anew: its tables are rewritten, and rows and code that use the value "
    "break.",
    help="Leave the value in the enum until no code and no row uses it; if that is so, allow it here.",
    nodes=("CreateEnumStmt",),
    check=_check,
)
