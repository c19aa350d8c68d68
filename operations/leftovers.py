"""What an interrupted CREATE INDEX CONCURRENTLY leaves behind: an index that is never used, but maintained."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from operations.ports import Session

_INVALID = """
    SELECT i.indexrelid::bigint, format('%I.%I', n.nspname, c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i'
"""
_OUTSIDE = """
    SELECT array_agg(indexrelid::bigint) FILTER (WHERE indisvalid),
           array_agg(indexrelid::bigint) FILTER (WHERE NOT indisvalid), (SELECT count(*) FROM pg_inherits),
           (SELECT array_agg(relfilenode::bigint) FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384)
    FROM pg_index
"""


@dataclass(frozen=True)
class Outside:
    """What statements outside of transactions change in the catalog: indexes, partitions' ties, tables' files."""

    valid: frozenset[int]
    invalid: frozenset[int]
    ties: int
    files: frozenset[int]
    """Of tables, by relfilenode."""

    @classmethod
    def read(cls, session: Session) -> Outside:
        """In one query."""
        ((valid, invalid, ties, files),) = session.rows(_OUTSIDE)
        return cls(frozenset(valid or ()), frozenset(invalid or ()), ties, frozenset(files or ()))


def drop_new_invalid_indexes(session: Session, before: Collection[int]) -> tuple[str, ...]:
    """Drop invalid indexes that were not there before; returns their names."""
    new = [name for oid, name in session.rows(_INVALID) if oid not in before]
    for name in new:
        session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return tuple(new)
