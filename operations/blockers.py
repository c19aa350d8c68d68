"""Who stands in the way of a lock: named before a run starts, and while it waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from operations.context import Context
from operations.errors import LocktenderError, StatementFailed
from operations.ports import Row, Session
from operations.relation_names import find_relations

QUERY_SHOWN = 200
_COLUMNS = """
    a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
    coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), ''),
    coalesce(a.query, '')
"""
# How long a transaction must have lasted to be worth a warning is the caller's: shorter ones are over in time.
_HOLDING = f"""
    SELECT DISTINCT {_COLUMNS}
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND l.locktype = 'relation' AND l.relation = ANY (%s::oid[])
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.pid <> pg_backend_pid() AND a.xact_start < clock_timestamp() - make_interval(secs => %s)
"""
_BLOCKING = f"SELECT {_COLUMNS} FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids(%s))"


@dataclass(frozen=True)
class Blocker:
    """A session in the way. ``since``: begin of its transaction, UTC, ISO 8601; ``query``: its latest, shortened."""

    pid: int
    user: str
    application: str
    state: str
    since: str
    query: str

    def __str__(self) -> str:
        who = f"pid {self.pid} ({self.user}{', ' + self.application if self.application else ''})"
        return f"{who}, {self.state}, in a transaction since {self.since}: {self.query}"


def holding(session: Session, relations: Sequence[str], older_than: float) -> tuple[Blocker, ...]:
    """Sessions whose transaction is older than ``older_than`` seconds and holds a lock on one of the relations.

    ``relations`` are names as SQL writes them; those that do not exist (yet) block nobody. It is advice: where the
    server refuses to tell, nobody is named.
    """
    try:
        known = list(find_relations(session, relations))
        return _blockers(session.rows(_HOLDING, (known, older_than))) if known else ()
    except StatementFailed:
        return ()


@dataclass
class Watch:
    """What a watched session was seen waiting for; empty if it never had to wait long."""

    seen: tuple[Blocker, ...] = ()
    _over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watching(context: Context, pid: int, interval: float) -> Iterator[Watch]:
    """Look every ``interval`` seconds, from a session of its own, at who blocks the one of that ``pid``.

    Only the server can tell, and only while the wait lasts: the time-out afterwards says nothing of who it was.
    """
    watch = Watch()
    thread = threading.Thread(target=_look, args=(context, pid, interval, watch), name="blockers", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch._over.set()
        thread.join()


def _look(context: Context, pid: int, interval: float, watch: Watch) -> None:
    if watch._over.wait(interval):
        return
    try:
        with context.database.session(purpose="watch") as session:
            while not watch._over.is_set():
                watch.seen = _blockers(session.rows(_BLOCKING, (pid,))) or watch.seen
                watch._over.wait(interval)
    except LocktenderError:
        return  # the watched session will tell what is wrong with the server


def _blockers(rows: Sequence[Row]) -> tuple[Blocker, ...]:
    return tuple(
        Blocker(pid, user, application, state, since, " ".join(query.split())[:QUERY_SHOWN])
        for pid, user, application, state, since, query in rows
    )
