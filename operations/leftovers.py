"""What an interrupted CREATE INDEX CONCURRENTLY leaves behind: an index that is never used, but maintained."""

from __future__ import annotations

from collections.abc import Collection

from operations.ports import Session

_INVALID = """
    SELECT i.indexrelid::bigint, format('%I.%I', n.nspname, c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i'
"""


def invalid_indexes(session: Session) -> frozenset[int]:
    """Object ids of all invalid indexes."""
    return frozenset(oid for oid, _ in session.rows(_INVALID))


def drop_new_invalid_indexes(session: Session, before: Collection[int]) -> tuple[str, ...]:
    """Drop invalid indexes that were not there before; returns their names."""
    new = [name for oid, name in session.rows(_INVALID) if oid not in before]
    for name in new:
        session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return tuple(new)
