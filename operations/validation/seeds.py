"""A few rows for tables that are empty on the trial server: else an undo that loses rows would look faithful."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from msgspec import Struct

from operations.errors import StatementFailed
from operations.fixed_settings import set_local
from operations.ports import Session
from operations.quoting import identifier, literal

ROWS = 2
_COLUMNS = """
    SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname), a.attname, t.typname, t.typtype::text,
           t.typcategory::text, a.attnotnull, a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '',
           (SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE c.relkind = 'r' AND NOT c.relispartition
      AND pg_catalog.format('%%I.%%I', n.nspname, c.relname) = ANY (%s::text[])
    ORDER BY 1, a.attnum
"""
_VALUES = {
    "bool": "i % 2 = 0",
    "date": "date '2024-01-01' + i",
    "timestamp": "timestamp '2024-01-01' + i * interval '1 day'",
    "timestamptz": "timestamptz '2024-01-01 00:00+00' + i * interval '1 day'",
    "time": "time '12:00' + i * interval '1 minute'",
    "timetz": "timetz '12:00+00' + i * interval '1 minute'",
    "interval": "i * interval '1 hour'",
    "uuid": "('00000000-0000-4000-8000-00000000000' || i)::uuid",
    "json": "'{}'::json",
    "jsonb": "'{}'::jsonb",
    "bytea": "convert_to(i::text, 'UTF8')",
    "inet": "('10.0.0.' || i)::inet",
    "cidr": "('10.0.0.' || i || '/32')::cidr",
    "xml": "'<a/>'",
}
"""By the name of the type; ``i`` is the row's number."""


class Column(Struct, frozen=True):
    """As far as a value for it depends on it."""

    name: str
    type: str
    kind: str
    category: str
    not_null: bool
    filled: bool
    """By a default, or by itself."""
    label: str | None


def seed(session: Session, tables: Collection[str]) -> tuple[str, ...]:
    """Put rows into those of the tables (quoted, dotted names) that have none; returns their names.

    Foreign keys and triggers are held off where the role may do so; a table that takes no such row stays empty.
    """
    columns: dict[str, list[Column]] = {}
    for table, *rest in session.rows(_COLUMNS, (list(tables),)):
        columns.setdefault(table, []).append(Column(*rest))
    return tuple(table for table, own in columns.items() if _seeded(session, table, own))


def unseed(session: Session, tables: Collection[str]) -> None:
    """Empty tables that were given rows, as far as they still have them and their names."""
    for table in tables:
        with suppress(StatementFailed):
            _hold_off(session, f"DELETE FROM ONLY {table}")


def _seeded(session: Session, table: str, columns: Sequence[Column]) -> bool:
    """With one row where two would be the same in a key."""
    for rows in (ROWS, 1):
        statement = insert(table, columns, rows)
        if statement is None:
            return False
        try:
            if session.rows(f"SELECT FROM ONLY {table} LIMIT 1"):
                return False
            _hold_off(session, statement)
            return True
        except StatementFailed:
            continue
    return False


def _hold_off(session: Session, statement: str) -> None:
    try:
        with session.transaction():
            session.script(set_local({"session_replication_role": "replica"}))
            session.execute(statement)
    except StatementFailed as error:
        if error.sqlstate != "42501":
            raise
        with session.transaction():
            session.execute(statement)


def insert(table: str, columns: Sequence[Column], rows: int) -> str | None:
    """The statement; ``None`` where a column needs a value that cannot be thought of. Pure."""
    values = {column.name: _value(column) for column in columns if not column.filled}
    if any(values[c.name] is None and c.not_null for c in columns if not c.filled):
        return None
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return f"INSERT INTO {table} DEFAULT VALUES"
    names, shown = ", ".join(map(identifier, known)), ", ".join(known.values())
    return f"INSERT INTO {table} ({names}) SELECT {shown} FROM pg_catalog.generate_series(1, {rows}) i"


def _value(column: Column) -> str | None:
    if column.kind == "e":
        return literal(column.label) if column.label is not None else None
    if column.kind != "b":
        return None
    if column.type in _VALUES:
        return _VALUES[column.type]
    return {"N": "i", "S": "i::text", "A": "'{}'"}.get(column.category)
