"""Why a finding of squawk's is none of ours, told from the statement and the schema that it meets."""

from __future__ import annotations

from typing import Any

from operations.rules.changes import advance
from operations.rules.linting import Source
from operations.rules.schema import Schema
from operations.rules.shapes import dotted
from operations.rules.state import State, TableState, commands
from operations.rules.types import type_of

from .squawk import Theirs

HARMLESS = {
    "ban-drop-constraint": "no code names a constraint, and no row is lost",
    "ban-drop-not-null": "`ban-drop-not-null` is off by default: the old code goes on as before",
    "ban-drop-type": "PostgreSQL refuses while a column has it; that column's end is found",
    "ban-drop-default": "no row changes, and Prisma's client sends its defaults itself",
}

OF_TASTE = {
    "prefer-bigint-over-int": (
        "`prefer-bigint-over-int` is off by default: `INTEGER` is what Prisma makes of `Int`, and a column that will "
        "run out is known to who writes the schema only"
    ),
    "prefer-identity": ("`prefer-identity` is off by default: `SERIAL` is what Prisma makes of `autoincrement()`"),
    "prefer-robust-stmts": (
        "`prefer-robust-stmts` is off by default: a migration runs once, its history row says whether it did, and `IF"
        " NOT EXISTS` passes over whatever else has that name. A file that can fail half-way is told as not atomic"
    ),
    "prefer-text-field": (
        "`prefer-text-field` is off by default: `VARCHAR(n)` comes only of `@db.VarChar(n)`, so somebody wanted it; "
        "shortening one later is found by `changing-column-type`"
    ),
    "prefer-timestamp-tz": (
        "`prefer-timestamp-tz` is off by default: `TIMESTAMP(3)` is what Prisma makes of `DateTime`, and its client "
        "writes and reads it as UTC"
    ),
    "require-enum-value-ordering": (
        "Prisma adds values at the end, wherever the schema has them; only comparisons of enum values depend on their "
        "order, and no lock or row does"
    ),
    "require-lock-timeout": (
        "`deploy` and `apply` set `lock_timeout` for every migration, and try again; the file need not"
    ),
    "require-statement-timeout": (
        "what takes long is found where it is written (rewrites, full scans, updates of all rows); a timeout in the "
        "file would end CREATE INDEX CONCURRENTLY and backfills half-way, and how long is too long is the role's "
        "setting, not a file's"
    ),
}
"""Why ours does not say what theirs says of a style, or of what is set elsewhere; by the rule."""


def why_not(source: Source, schema: Schema | None, finding: Theirs) -> str | None:
    """``None`` if there is no reason."""
    state = State(schema)
    for index, one in enumerate(source.parsed):
        last = one.statement.line + one.statement.text.count("\n")
        if one.statement.line <= finding.end_line and finding.line <= last:
            return _of_statement(state, one.node) or HARMLESS.get(finding.rule)
        advance(state, one.node, (source.file, source.transactions[index]))
    return None


def _of_statement(state: State, node: Any) -> str | None:
    tables = list(_tables(state, node))
    if tables and not any(table.old for table in tables):
        return "the table is made by the same migration"
    if type(node).__name__ != "AlterTableStmt":
        return None
    kinds = {kind for kind, _ in commands(node)}
    if kinds == {"AlterColumnType"}:
        changes = [f"{tables[0].columns.get(c.name)} → {type_of(c.def_.typeName)}" for _, c in commands(node)]
        return f"no row is written anew ({', '.join(changes)})"
    if kinds == {"SetNotNull"} and all(c.name in tables[0].not_null for _, c in commands(node)):
        return "the column is NOT NULL already"
    return None


def _tables(state: State, node: Any) -> list[TableState]:
    if getattr(node, "relation", None) is not None:
        return [state.of(node.relation)]
    if type(node).__name__ != "DropStmt":
        return []
    kind = node.removeType.name
    names = [dotted(parts) for parts in node.objects] if kind in ("OBJECT_TABLE", "OBJECT_INDEX") else []
    if kind == "OBJECT_INDEX":
        return [state.indexed(parts) for parts in node.objects]
    return [state.table((schema or state.default, name)) for schema, name in names]
