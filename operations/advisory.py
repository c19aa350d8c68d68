"""The migration tool's own advisory lock, so that the tool and we keep each other out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from operations.context import Context
from operations.errors import LockHeld
from operations.ports import Session

POLL = 0.2
STEADY = {
    "idle_session_timeout": "0",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "60s",
    "statement_timeout": "0",
}
"""Settings of a session that holds the lock: it must outlive a backup, and what it commits must outlive a crash.

But should our machine or the line vanish in the middle of a transaction, without a word, then the locks on people's
tables are let go of by the server: it waits that long for our next statement, and otherwise for hours.
"""
MIGRATION_LET_GO = "A migration let go of the migration lock (DISCARD ALL, pg_advisory_unlock_all() or the like)"
UNDOING_LETS_GO = "the script that undoes it lets go of the migration lock"


def steady(context: Context, lock_timeout: float | None = None) -> dict[str, str]:
    """The same, for a session that waits for nobody's table longer than it is set: not for the history's, either.

    ``lock_timeout``: other seconds than the environment's.
    """
    limit = context.environment.lock_timeout if lock_timeout is None else lock_timeout
    return {**STEADY, "lock_timeout": f"{int(limit * 1000)}ms"}


_HOLDER = """
    SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.query, ''),
           coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def lock_database(context: Context, session: Session, key: int) -> None:
    """Take the lock for the rest of the session.

    Polled, never waited for: a blocked waiter holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait in turn.
    Raises ``LockHeld`` (Prisma's P1002), naming the holder, after the environment's ``advisory_lock_timeout``.
    """
    until = context.clock.now() + context.environment.advisory_lock_timeout
    while not session.rows("SELECT pg_try_advisory_lock(%s)", (key,))[0][0]:
        if context.clock.now() >= until:
            raise _held(context, session, key)
        context.clock.sleep(POLL)


@contextmanager
def locked_session(context: Context, key: int, purpose: str) -> Iterator[Session]:
    """A session of its own that holds the lock until it is closed, at the end. Raises as ``lock_database`` does."""
    with context.database.session(purpose=purpose) as session:
        session.reset(steady(context))
        lock_database(context, session, key)
        yield session


def take_again(context: Context, session: Session, key: int) -> None:
    """Take the lock that a script has let go of, at once or not at all; raises ``LockHeld``."""
    if not session.rows("SELECT pg_try_advisory_lock(%s)", (key,))[0][0]:
        raise _held(context, session, key)


def is_ours(session: Session, key: int) -> bool:
    """Whether this session holds the lock: DISCARD ALL and pg_advisory_unlock_all() take it from whoever runs them."""
    return bool(session.rows(f"{_HOLDER} AND a.pid = pg_backend_pid()", (key,)))


def _held(context: Context, session: Session, key: int) -> LockHeld:
    holders = [
        f"pid {pid} ({user}, {application or 'no application name'}), connected since {since}: "
        + " ".join(query.split())[:200]
        for pid, user, application, query, since in session.rows(_HOLDER, (key,))
    ]
    return LockHeld(
        f"Another migration is running on {context.database.target} (advisory lock {key}): "
        + ("; ".join(holders) or "its holder is gone by now"),
        hint="Wait for it to end. A session that hangs can be ended with SELECT pg_terminate_backend(PID).",
        prisma_code="P1002",
    )
