"""RENAME and SET SCHEMA of a table that the code in production may still use."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Context, Found, Rule


def _check(context: Context) -> Iterator[Found]:
    node = context.node
    moved = type(node).__name__ == "AlterObjectSchemaStmt"
    if (node.objectType if moved else node.renameType).name != "OBJECT_TABLE":
        return
    table = context.state.of(node.relation)
    if table.old:
        new = f"{node.newschema}.{table.name[1]}" if moved else node.newname
        yield Found(f"Code that still says {table}, and not {new}, fails.", about=str(table))


RULE = Rule(
    name="renaming-table",
    severity="warning",
    problem="Renaming a table breaks code that still uses the old name.",
    help="Keep the table's name and change the code's (Prisma: @@map); or leave a view of the old name behind until "
    "no code uses it.",
    nodes=("RenameStmt", "AlterObjectSchemaStmt"),
    check=_check,
)
