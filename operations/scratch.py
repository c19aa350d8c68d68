"""Databases that a run makes and drops again: their names, and what tells one in use from what a dead run has left.

Who needs one holds an advisory lock that is named after it, from before it is there until it is gone or has another
name. It tells of a run on any machine, also of those that do not see this environment's lock, which is on the host.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from operations.context import Context
from operations.errors import ConnectionLost, DatabaseMissing, DatabaseUnreachable
from operations.layout import scratch_prefix
from operations.lock import current_owner
from operations.meanwhile import meanwhile
from operations.pooler import refuse_pooler
from operations.ports import Session

BEAT = 2.0
"""Seconds after which a lock whose connection was lost is taken again."""
_DATABASES = "SELECT datname FROM pg_catalog.pg_database WHERE starts_with(datname, %s) ORDER BY datname"
_TAKE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_USERS = """
    SELECT l.pid, substring(a.application_name FROM '^locktender scratch ([0-9A-Za-z-]+)'), name
    FROM unnest(%s::text[]) name
    JOIN pg_catalog.pg_locks l ON (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(name, 0)
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid AND a.usename = session_user
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
"""
"""Of any database of the server: the lock may be held in another one than we are in."""


def scratch_name(context: Context) -> str:
    """A new name for a database that is dropped again, by a later run if not by this one."""
    return scratch_prefix(context.environment, context.database.target.database) + secrets.token_hex(4)


def scratch_databases(context: Context, session: Session) -> list[str]:
    """Those that there are of the environment, whoever uses them."""
    prefix = scratch_prefix(context.environment, context.database.target.database)
    return [name for (name,) in session.rows(_DATABASES, (prefix,))]


def users(session: Session, names: Collection[str]) -> list[tuple[int, str | None, str]]:
    """Who has such databases in use: server process, run (``None`` where that is not known) and database.

    Whoever makes one has it in use before that: one which is seen, and which nobody uses afterwards, is nobody's.
    """
    return [(pid, run_id, name) for pid, run_id, name in session.rows(_USERS, (list(names),))]


@contextmanager
def in_use(context: Context, name: str) -> Iterator[None]:
    """While the block runs, no run takes database ``name`` for a dead one's; the caller holds the environment's lock.

    Raises ``PoolerInBetween`` where that could not be told.
    """
    use = _Use(context, name, _purpose(context))
    try:
        with suppress(DatabaseUnreachable):  # one connection more than there may be: a way back goes on without it
            use.hold()
        with meanwhile("scratch database", BEAT, use.hold):
            yield
    finally:
        use.end()


def _purpose(context: Context) -> str:
    owner = current_owner(context)
    return f"scratch {owner.run_id}" if owner else "scratch"


@dataclass
class _Use:
    """The lock, in a session of its own: one that makes the database goes on with that when its client has died."""

    context: Context
    name: str
    purpose: str
    session: Session | None = None

    def hold(self) -> None:
        """Take the lock, or make sure of it: however often it was taken, it goes with the session."""
        if self.session:
            try:
                self.session.rows(_TAKE, (self.name,))
                return
            except ConnectionLost:
                self.end()
        self.session = self._connected()
        if self.session.claimed_pid != self.session.pid:
            refuse_pooler(self.context)
        self.session.reset({"idle_session_timeout": "0"})
        self.session.rows(_TAKE, (self.name,))

    def _connected(self) -> Session:
        from operations.swap import connect_to_maintenance  # most runs make no database, and need not load it

        if self.context.environment.maintenance_database == self.context.database.target.database:
            with suppress(DatabaseMissing):  # in template1 we would keep everybody from making databases all the time
                return self.context.database.connect(purpose=self.purpose)
        return connect_to_maintenance(self.context, self.purpose)

    def end(self) -> None:
        if self.session:
            self.session.close()
