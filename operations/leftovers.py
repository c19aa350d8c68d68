"""What a statement outside of transactions changes, and what it leaves behind when it is interrupted.

An interrupted CREATE INDEX CONCURRENTLY leaves an index that is never used, but maintained; a DROP INDEX CONCURRENTLY
one that is only waiting to be dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from operations.migrations.dropping import dropped_indexes
from operations.migrations.indexes import Index, index_work
from operations.migrations.statement import Statement
from operations.ports import Session
from operations.quoting import identifier
from operations.relation_names import find_relations

_OUTSIDE = """
    SELECT array_agg(indexrelid::bigint) FILTER (WHERE indisvalid),
           array_agg(indexrelid::bigint) FILTER (WHERE NOT indisvalid), (SELECT count(*) FROM pg_inherits),
           (SELECT array_agg(relfilenode::bigint) FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384)
    FROM pg_index WHERE indexrelid >= 16384
"""
_INVALID = """
    SELECT i.indexrelid::bigint, n.nspname, c.relname, t.relname
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND NOT EXISTS (
        SELECT FROM pg_stat_progress_create_index p JOIN pg_locks l ON l.pid = p.pid
        WHERE l.locktype = 'relation' AND l.database = p.datid AND l.relation = i.indrelid AND l.granted
          AND l.mode = 'ShareUpdateExclusiveLock' AND p.pid <> pg_backend_pid())
"""
# An index that another session is building is invalid, too; what such a session works on, only its own role may see.

_INDEXES = """
    SELECT format('index %I.%I', n.nspname, c.relname), n.nspname, c.relname, t.relname
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE i.indexrelid >= 16384
"""


class Outside(Struct, frozen=True):
    """What such statements change in the catalog: object ids of indexes, the number of partitions' ties."""

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

    def same_as(self, other: Outside) -> bool:
        """Whether none of it has changed; ``REINDEX`` and ``VACUUM`` change files alone, and may as well run again."""
        return (self.valid, self.invalid, self.ties) == (other.valid, other.invalid, other.ties)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "valid": sorted(self.valid),
            "invalid": sorted(self.invalid),
            "ties": self.ties,
            "files": sorted(self.files),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outside:
        """What ``to_json`` gave."""
        valid, invalid, files = (frozenset(value[name]) for name in ("valid", "invalid", "files"))
        return cls(valid, invalid, value["ties"], files)


def indexes_of(session: Session, statement: str) -> frozenset[str]:
    """Indexes that stand and that ``statement`` works on, as ``catalog`` names them."""
    work = index_work(statement)
    found = session.rows(_INDEXES)
    return frozenset(identity for identity, schema, name, table in found if work.covers(Index(schema, name, table)))


def drop_new_invalid_indexes(session: Session, before: Outside, statement: str | None = None) -> tuple[str, ...]:
    """Drop invalid indexes that were not invalid before; returns their names.

    Only those that ``statement`` can have left, where it is given, and none that another session is building just now.
    """
    work = index_work(statement) if statement is not None else None
    new = []
    for oid, schema, name, table in session.rows(_INVALID):
        if oid not in before.invalid and (work is None or work.covers(Index(schema, name, table))):
            new.append(identifier(schema, name))
    for name in new:
        session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return tuple(new)


def recreate_dropped_indexes(session: Session, statement: Statement) -> str | None:
    """SQL that brings back the indexes that a DROP INDEX is about to drop; ``None`` if there are none."""
    oids = find_relations(session, dropped_indexes(statement.text))
    found = session.rows("SELECT pg_get_indexdef(oid) FROM unnest(%s::oid[]) oid", (list(oids),)) if oids else []
    return "; ".join(definition for (definition,) in found if definition) or None
