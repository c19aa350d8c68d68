"""A table made anew under its own name, as Prisma does it where it cannot alter it: create, copy, drop, rename."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted

_FARTHEST = 100
"""Statements that may lie between the first and the last: time must stay linear."""


def _check(context: Context) -> Iterator[Found]:
    new = context.node.relation.relname
    renamed = context.source.renamed_tables.get(new)
    if renamed is None or not context.index < renamed < context.index + _FARTHEST:
        return
    parsed = context.source.parsed
    target = context.state.table(
        (context.node.relation.schemaname or context.state.default, parsed[renamed].node.newname)
    )
    if not target.old:
        return
    own = tuple(at for at in range(context.index, renamed + 1) if _belongs(parsed[at].node, new, target.name[1]))
    if any(type(parsed[at].node).__name__ == "DropStmt" for at in own):
        yield Found(
            f"{target}{target.size} is copied and replaced while nothing can write to it. What the new table does "
            "not have (columns, indexes, privileges, triggers, foreign keys to it) is lost.",
            statements=own,
            instead=frozenset({"ban-drop-table", "renaming-table", "ban-drop-cascade"}),
        )


def _belongs(node: object, new: str, old: str) -> bool:
    kind = type(node).__name__
    if kind in ("CreateStmt", "InsertStmt", "RenameStmt"):
        return bool(node.relation and node.relation.relname == new)  # type: ignore[attr-defined]
    if kind == "DropStmt":
        tables = node.removeType.name == "OBJECT_TABLE"  # type: ignore[attr-defined]
        return tables and any(dotted(parts)[1] == old for parts in node.objects)  # type: ignore[attr-defined]
    return False


RULE = Rule(
    name="redefining-table",
    severity="warning",
    problem="Making a table anew under its name copies all rows, and loses what the new one was not given.",
    help="Alter the table instead; or do it with the application stopped, and compare both tables first.",
    nodes=("CreateStmt",),
    check=_check,
)
