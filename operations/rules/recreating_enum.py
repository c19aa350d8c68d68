"""An enum made anew, as Prisma removes a value: create the new one, move the columns over, rename, drop the old one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from operations.migrations.kinds import transaction_command
from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.state import commands
from operations.rules.types import type_of
from operations.rules.wording import listed

_FARTHEST = 100
"""Statements that may lie between the first and the last: time must stay linear."""
_INSTEAD = frozenset({"changing-column-type", "renaming-type", "transaction-nesting", "ban-drop-cascade"})


@dataclass
class _Pattern:
    """``new`` is the type that is created, ``aside`` the one that is dropped, before statement ``drop_before``.

    The enum ends up being called ``name``.
    """

    name: str
    new: str
    aside: str
    drop_before: int
    statements: list[int]
    columns: list[tuple[str, str]] = field(default_factory=list)
    dropped: bool = False

    def take(self, at: int, node: Any, table: str) -> None:
        """See whether a statement belongs to it."""
        kind = type(node).__name__
        if kind == "AlterTableStmt":
            moved = [command.name for name, command in commands(node) if _moves(name, command, self.new)]
            self.columns += [(table, name) for name in moved]
            if moved:
                self.statements.append(at)
        elif kind == "RenameStmt" and _renames(node, (self.new, self.name)):
            self.statements.append(at)
        elif kind == "DropStmt" and at < self.drop_before and _drops(node, self.aside):
            self.statements.append(at)
            self.dropped = True


def _check(context: Context) -> Iterator[Found]:
    begun = _begun(context)
    if begun is None:
        return
    pattern, last = begun
    parsed = context.source.parsed
    for at in range(pattern.statements[0] + 1, min(pattern.statements[0] + _FARTHEST, len(parsed))):
        if at not in pattern.statements:
            pattern.take(at, parsed[at].node, _table(context, parsed[at].node))
        if pattern.dropped and at >= last:
            yield _found(context, pattern)
            return


def _begun(context: Context) -> tuple[_Pattern, int] | None:
    """The pattern that the creation of a type may belong to, and the last statement that it needs besides the drop.

    Either the new type takes the old one's name afterwards, or the old one has been renamed before.
    """
    parsed = context.source.parsed
    schema, new = dotted(context.node.typeName)
    renamed = context.source.renamed_types.get(new)
    if renamed is None or abs(renamed - context.index) > _FARTHEST:
        return None
    other = parsed[renamed].node.newname
    if (schema or context.state.default, other) in context.state.types:
        return None
    if renamed < context.index:
        return _Pattern(new, new, other, len(parsed), [renamed, context.index]), context.index
    away = context.source.renamed_types.get(other)
    if away is not None and context.index < away < renamed:
        return _Pattern(other, new, parsed[away].node.newname, len(parsed), [context.index]), renamed
    return _Pattern(other, new, other, renamed, [context.index]), renamed


def _found(context: Context, pattern: _Pattern) -> Found:
    own = _with_surroundings(context, pattern)
    moved = listed([f"{table}.{name}" for table, name in pattern.columns])
    written = f" {moved}: written anew while nothing can read or write it." if moved else ""
    return Found(
        f"The enum {pattern.name} is made anew.{written} It fails if a row holds a value that is gone, and so does "
        "code that still writes one.",
        offset=context.source.parsed[own[0]].statement.start,
        statements=own,
        instead=_INSTEAD,
    )


def _with_surroundings(context: Context, pattern: _Pattern) -> tuple[int, ...]:
    """With the defaults that are put back, and a BEGIN right before and a COMMIT right after."""
    parsed, own = context.source.parsed, sorted(pattern.statements)
    while own[-1] + 1 < len(parsed) and _puts_default_back(context, parsed[own[-1] + 1].node, pattern):
        own.append(own[-1] + 1)
    after = own[-1] + 1
    begun = own[0] > 0 and transaction_command(parsed[own[0] - 1].node) == "BEGIN"
    committed = after < len(parsed) and transaction_command(parsed[after].node) == "COMMIT"
    return (own[0] - 1, *own, after) if begun and committed else tuple(own)


def _puts_default_back(context: Context, node: Any, pattern: _Pattern) -> bool:
    if type(node).__name__ != "AlterTableStmt":
        return False
    table = _table(context, node)
    return all(kind == "ColumnDefault" and (table, c.name) in pattern.columns for kind, c in commands(node))


def _table(context: Context, node: Any) -> str:
    return str(context.state.of(node.relation)) if type(node).__name__ == "AlterTableStmt" else ""


def _renames(node: Any, names: tuple[str, ...]) -> bool:
    return node.renameType.name == "OBJECT_TYPE" and dotted(node.object)[1] in names


def _drops(node: Any, name: str) -> bool:
    return node.removeType.name == "OBJECT_TYPE" and any(dotted(item.names)[1] == name for item in node.objects)


def _moves(name: str, command: Any, new: str) -> bool:
    return name == "AlterColumnType" and type_of(command.def_.typeName).name == new


RULE = Rule(
    name="recreating-enum",
    severity="warning",
    problem="Removing a value makes the enum anew: its tables are rewritten, and rows and code that use the value "
    "break.",
    help="Leave the value in the enum until no code and no row uses it; if that is so, allow it here.",
    nodes=("CreateEnumStmt",),
    check=_check,
)
