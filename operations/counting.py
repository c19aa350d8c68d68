"""Our own writes, counted into the journal, so that those of others can be told from them.

PostgreSQL counts rows that were rolled back like those that were committed. So both kinds of ours are journalled, and
every entry that holds ``own`` counts, whatever became of its transaction. An entry that is lost makes rows of ours look
like others', and so a way back refuse where it need not: never the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from msgspec import Struct

from operations import writes
from operations.errors import ConnectionLost, StatementFailed
from operations.journal import Journal
from operations.ports import Session
from operations.uncounted import Alone, Begun
from operations.writes import Counters

_LOCKED = """
    SELECT l.relation::bigint, l.objid::bigint FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND (
        l.locktype = 'relation' AND l.relation >= 16384 AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
        AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'm', 'c') AND c.relname <> %s)
        OR l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objsubid = 1)
"""
# A relation that this transaction has dropped is in no catalog any more, but still locked. A composite type is one,
# too, and what is done to it reaches all tables that use it.


class MigrationLock(Struct, frozen=True):
    """The lock that a session must hold when it commits; ``lost`` is called where a script has let go of it.

    It takes the lock again, or raises what ends the transaction.
    """

    key: int
    lost: Callable[[], None]


@contextmanager
def counted(
    session: Session, journal: Journal, lock: MigrationLock, begin: str, event: str, **facts: Any
) -> Iterator[dict[str, Any]]:
    """A transaction; ``event`` is journalled with ``facts`` and what it has written just before it commits.

    The facts are yielded, as some may be known only by then.

    So are the object ids of what it has locked like one who changes it (``locked``): whatever it did to rows, be it
    counted or not, it did there. One that fails journals what it had tried to write, as ``attempted``.
    """
    writes.flush(session)
    with session.transaction(begin):
        try:
            yield facts
            own = writes.own(session)
            held, keys = _locks(session)
            if lock.key not in keys:
                lock.lost()
        except BaseException:
            _record_attempt(session, journal)
            raise
        journal.record(event, sync=False, own=own.to_json(), locked=sorted(held), **facts)


def announced(session: Session, journal: Journal) -> None:
    """Journal what stands before a transaction: should our client die in it, that tells its rows from others'.

    Not where it cannot be told: of a schema too large to be looked at so soon, or while others' counts may be to come.
    """
    with suppress(StatementFailed):
        begun = Begun.read(session)
        if begun:
            journal.record("transaction", sync=False, **begun.to_json())


def locked(session: Session, without: str = "") -> frozenset[int]:
    """Tables, materialized views and composite types that the open transaction can have changed, also dropped ones.

    But for tables of the name ``without``.
    """
    return _locks(session, without)[0]


def _locks(session: Session, without: str = "") -> tuple[frozenset[int], frozenset[int]]:
    """The same, and the keys of advisory locks that the session holds. One query."""
    rows = session.rows(_LOCKED, (without,))
    relations = frozenset(relation for relation, _ in rows if relation is not None)
    return relations, frozenset(key for relation, key in rows if relation is None)


@contextmanager
def counted_outside(session: Callable[[], Session], journal: Journal, alone: Alone | None) -> Iterator[None]:
    """A statement outside of transactions, whose catalog rows no transaction of ours can count (``outside``).

    What the catalogs gained meanwhile counts as ours only if ``alone``, what stood before, says that it can be told.
    ``session`` is asked for again at the end, since a lost connection may have been replaced.
    """
    try:
        yield
    finally:
        gained = alone.gained(session(), writes.catalogs(session())) if alone else Counters()
        journal.record("outside", sync=False, own=gained.to_json())


def _record_attempt(session: Session, journal: Journal) -> None:
    try:
        own = writes.attempted(session)
    except (ConnectionLost, StatementFailed):
        return  # the server forgot the counts with the connection, or counts them as someone else's
    journal.record("attempted", sync=False, own=own.to_json())
