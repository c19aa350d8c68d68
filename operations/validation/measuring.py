"""What a statement does to tables that stood before: locks, rewrites, full scans. Asked of PostgreSQL itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from operations.ports import Session
from operations.validation.model import TableLock

MODES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
"""The weakest first: https://www.postgresql.org/docs/current/explicit-locking.html"""
ROW_EXCLUSIVE = "RowExclusiveLock"
NO_REWRITE = frozenset({"TRUNCATE", "REINDEX"})

_STANDING = """
    SELECT c.oid::bigint, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text,
           pg_catalog.pg_relation_filenode(c.oid)::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'i', 'I', 'm', 'v', 'S', 'f') AND n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema'
"""
_TOUCHED = """
    SELECT l.relation::bigint, l.mode, pg_catalog.pg_relation_filenode(l.relation)::bigint,
           pg_catalog.pg_stat_get_xact_numscans(l.relation)
    FROM pg_catalog.pg_locks l
    WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'
      AND l.granted AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
"""
# What is asked within a script's transaction names its operators and types in full: a script may have made its own.


class Relation(Struct, frozen=True):
    """``name`` is quoted where SQL needs it; ``file`` changes when the rows are written anew."""

    name: str
    kind: str
    file: int | None


class Touched(Struct, frozen=True):
    """What the transaction has done to one relation so far."""

    mode: str
    file: int | None
    scans: int


class Effects(Struct, frozen=True):
    """Of one statement, on relations that stood before its file."""

    locks: tuple[TableLock, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()


def standing(session: Session) -> dict[int, Relation]:
    """All relations by object id."""
    return {oid: Relation(name, kind, file) for oid, name, kind, file in session.rows(_STANDING)}


def transaction_number(session: Session) -> str:
    """Of the transaction that is open, whether or not it has written; no other one of the session has the same."""
    own = (
        "pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND locktype OPERATOR(pg_catalog.=) 'virtualxid'"
        " AND virtualxid OPERATOR(pg_catalog.=) virtualtransaction"
    )
    return str(session.rows(f"SELECT virtualxid FROM pg_catalog.pg_locks WHERE {own}")[0][0])


def wal_position(session: Session) -> int:
    """Bytes of write-ahead log that the whole server has written so far."""
    return int(session.rows("SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')")[0][0])


def touched(session: Session) -> dict[int, Touched]:
    """What the transaction that is open has locked, the strongest mode of each relation."""
    found: dict[int, Touched] = {}
    for oid, mode, file, scans in session.rows(_TOUCHED):
        if oid not in found or stronger(mode, found[oid].mode):
            found[oid] = Touched(mode, file, scans or 0)
    return found


def stronger(mode: str, other: str) -> bool:
    """Whether a lock mode is stronger than another one."""
    return MODES.index(mode) > MODES.index(other)


def effects(
    kind: str, before: Mapping[int, Touched], after: Mapping[int, Touched], known: Mapping[int, Relation]
) -> Effects:
    """What one statement added to what its transaction had done before."""
    return Effects(
        locks=tuple(sorted(_locks(before, after, known), key=lambda lock: lock.relation)),
        rewrites=tuple(sorted(_rewrites(kind, before, after, known))),
        scans=tuple(sorted(_scans(before, after, known))),
    )


def _locks(
    before: Mapping[int, Touched], after: Mapping[int, Touched], known: Mapping[int, Relation]
) -> Iterator[TableLock]:
    for oid, now in after.items():
        then = before.get(oid)
        if oid not in known or (known[oid].kind in "iI" and not stronger(now.mode, ROW_EXCLUSIVE)):
            continue  # reading or writing a table locks its indexes the same way
        if then is None or stronger(now.mode, then.mode):
            yield TableLock(known[oid].name, now.mode)


def _rewrites(
    kind: str, before: Mapping[int, Touched], after: Mapping[int, Touched], known: Mapping[int, Relation]
) -> Iterator[str]:
    if kind in NO_REWRITE:
        return
    for oid, now in after.items():
        relation = known.get(oid)
        if relation is None or relation.kind not in "rm":
            continue
        file = before[oid].file if oid in before else relation.file
        if now.file is not None and file != now.file:
            yield relation.name


def _scans(before: Mapping[int, Touched], after: Mapping[int, Touched], known: Mapping[int, Relation]) -> Iterator[str]:
    for oid, now in after.items():
        if oid in known and known[oid].kind in "rpm" and now.scans > (before[oid].scans if oid in before else 0):
            yield known[oid].name
