"""Which tables a dump carries rows of, with what is needed to count and compare them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from operations.ports import Session
from operations.quoting import identifier

SMALL = 1 << 20
"""Bytes up to which going to the server and back is most of the work."""
AT_ONCE = 40

_IN_DUMP = """
    c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (c.relpersistence = 'p' OR c.relpersistence = 'u' AND NOT pg_is_in_recovery())
    AND (e.extconfig IS NOT NULL OR NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
"""
# An extension's own rows come back with the extension, so that a dump has only those of its configuration tables, by
# its condition. A standby cannot read unlogged tables, and pg_dump leaves them out there.

_TABLES = f"""
    SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname), n.nspname, c.relname, pg_table_size(c.oid),
           coalesce(e.extcondition[array_position(e.extconfig, c.oid)], '')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_extension e ON c.oid = ANY (e.extconfig)
    WHERE {_IN_DUMP}
    ORDER BY n.nspname, c.relname
"""

_NAMES = f"""
    SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname), n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_extension e ON c.oid = ANY (e.extconfig)
    WHERE {_IN_DUMP} ORDER BY 1
"""

_COLUMNS = """
    SELECT a.attrelid::bigint, a.attname, CASE n.nspname WHEN 'pg_catalog' THEN t.typname ELSE '' END, t.typoutput::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
    ORDER BY a.attrelid, a.attname
"""


class Column(Struct, frozen=True):
    """``type`` is that of PostgreSQL's own types, else empty; ``output`` the function that makes any value to text."""

    name: str
    type: str
    output: str


class Table(Struct, frozen=True):
    """``name`` is quoted and dotted; ``columns`` are sorted by name, without those that are computed on reading.

    ``condition`` is an extension's ``WHERE …`` for the rows of its configuration table that a dump has, else empty.
    """

    name: str
    schema: str
    relation: str
    bytes: int = 0
    columns: tuple[Column, ...] = ()
    condition: str = ""

    @property
    def source(self) -> str:
        """For FROM and LOCK TABLE, without partitions and children: those are tables of their own."""
        return f"ONLY {identifier(self.schema, self.relation)}"


def batches(tables: Iterable[Table]) -> list[tuple[Table, ...]]:
    """Tables to be read by one statement, the most work first: large ones alone, small ones many at once."""
    ordered = sorted(tables, key=lambda table: -table.bytes)
    small = [table for table in ordered if table.bytes < SMALL]
    alone = [(table,) for table in ordered[: len(ordered) - len(small)]]
    return [*alone, *(tuple(small[start : start + AT_ONCE]) for start in range(0, len(small), AT_ONCE))]


def table_names(session: Session) -> dict[int, Table]:
    """Object id to table, without touching any of them: no lock is taken or waited for."""
    return {oid: Table(name, schema, relation) for oid, name, schema, relation in session.rows(_NAMES)}


def read_tables(session: Session) -> tuple[Table, ...]:
    """All of them with sizes and columns, for the search path ``pg_catalog``; ``pg_table_size`` locks each briefly."""
    columns: dict[int, list[Column]] = {}
    for oid, *column in session.rows(_COLUMNS):
        columns.setdefault(oid, []).append(Column(*column))
    return tuple(
        Table(name, schema, relation, size or 0, tuple(columns.get(oid, ())), condition)
        for oid, name, schema, relation, size, condition in session.rows(_TABLES)
    )
