"""Who stands in the way of a lock: named before a run starts, and while it waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec import Struct

from operations.context import Context
from operations.errors import LocktenderError, StatementFailed
from operations.ports import Row, Session
from operations.quoting import literal
from operations.relation_names import find_relations

QUERY_SHOWN = 200
_COLUMNS = """
    a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
    coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), ''),
    coalesce(a.query, '')
"""
_OF_PREPARED = """
    pg_prepared_xacts x
    JOIN pg_locks own ON own.locktype = 'transactionid' AND own.pid IS NULL AND own.transactionid = x.transaction
    JOIN pg_locks l ON l.pid IS NULL AND l.virtualtransaction = own.virtualtransaction
"""
# Each transaction holds a lock on its own number.
_PREPARED = """
    0, x.owner::text, x.gid, 'prepared',
    to_char(x.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), ''
"""
# How long a transaction must have lasted to be worth a warning is the caller's: shorter ones are over in time.
_HOLDING = f"""
    SELECT DISTINCT {_COLUMNS}
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND l.locktype = 'relation' AND l.relation = ANY (%s::oid[])
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.pid <> pg_backend_pid() AND a.xact_start < clock_timestamp() - make_interval(secs => %s)
"""
_HOLDING_PREPARED = f"""
    SELECT DISTINCT {_PREPARED}
    FROM {_OF_PREPARED}
    WHERE l.locktype = 'relation' AND l.relation = ANY (%s::oid[]) AND x.database = current_database()
      AND x.prepared < clock_timestamp() - make_interval(secs => %s)
"""
_BLOCKING = f"""
    WITH waiting AS MATERIALIZED (SELECT %s::int AS pid, pg_blocking_pids(%s) AS by)
    SELECT {_COLUMNS} FROM waiting JOIN pg_stat_activity a ON a.pid = ANY (waiting.by)
    UNION ALL
    SELECT DISTINCT {_PREPARED}
    FROM waiting
    JOIN pg_locks w ON w.pid = waiting.pid AND NOT w.granted
    JOIN ({_OF_PREPARED}) ON (w.locktype, w.database, w.relation, w.page, w.tuple, w.transactionid)
                       IS NOT DISTINCT FROM (l.locktype, l.database, l.relation, l.page, l.tuple, l.transactionid)
    WHERE 0 = ANY (waiting.by)
"""
# A prepared transaction has no session: PostgreSQL calls its process 0.


class Blocker(Struct, frozen=True):
    """A session in the way. ``since``: begin of its transaction, UTC, ISO 8601; ``query``: its latest, shortened.

    ``pid`` 0: a prepared transaction, which outlives sessions; ``application`` is its name then.
    """

    pid: int
    user: str
    application: str
    state: str
    since: str
    query: str

    def __str__(self) -> str:
        if not self.pid:
            end = f"ROLLBACK PREPARED {literal(self.application)} or COMMIT PREPARED ends it"
            return f"prepared transaction {self.application!r} ({self.user}), since {self.since}: {end}"
        who = f"pid {self.pid} ({self.user}{', ' + self.application if self.application else ''})"
        return f"{who}, {self.state}, in a transaction since {self.since}: {self.query}"


def holding(session: Session, relations: Sequence[str], older_than: float) -> tuple[Blocker, ...]:
    """Sessions whose transaction is older than ``older_than`` seconds and holds a lock on one of the relations.

    ``relations`` are names as SQL writes them; those that do not exist (yet) block nobody. It is advice: where the
    server refuses to tell, nobody is named.
    """
    try:
        known = list(find_relations(session, relations))
        asked = known, older_than
        rows = [*session.rows(_HOLDING, asked), *session.rows(_HOLDING_PREPARED, asked)] if known else []
    except StatementFailed:
        return ()
    return _blockers(rows)


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
                watch.seen = _blockers(session.rows(_BLOCKING, (pid,) * 2)) or watch.seen
                watch._over.wait(interval)
    except LocktenderError:
        return  # the watched session will tell what is wrong with the server


def _blockers(rows: Sequence[Row]) -> tuple[Blocker, ...]:
    return tuple(
        Blocker(pid, user, application, state, since, " ".join(query.split())[:QUERY_SHOWN])
        for pid, user, application, state, since, query in rows
    )
