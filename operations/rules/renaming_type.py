"""RENAME of a type, or of an enum's value, that the code in production may still use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule
from operations.rules.shapes import dotted
from operations.rules.wording import short


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    value = type(node).__name__ == "AlterEnumStmt"
    if not (node.oldVal if value else node.renameType.name == "OBJECT_TYPE"):
        return
    schema, name = dotted(node.typeName if value else node.object)
    if (schema or context.state.default, name) in context.state.types:
        return
    old, new = (f"{name}.{short(node.oldVal)}", short(node.newVal)) if value else (name, node.newname)
    yield Found(f"Code that still says {old}, and not {new}, fails.", about=old)


RULE = Rule(
    name="renaming-type",
    severity="warning",
    problem="Renaming an enum, or one of its values, breaks code that still uses the old name.",
    help="Keep the name and change the code's (Prisma: @@map and @map); or add a new value, move the code and the "
    "rows over, and leave the old one.",
    nodes=("RenameStmt", "AlterEnumStmt"),
    check=_check,
)
