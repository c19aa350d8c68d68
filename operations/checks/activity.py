"""Is anybody in the way of anybody else, now?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.measures import age_text

LONG = 300.0
"""Seconds after which an open transaction holds back autovacuum and CREATE INDEX CONCURRENTLY noticeably."""
WAITS = 1.0
"""Seconds of waiting for a lock that a person notices."""
OPEN = """
    SELECT pid, coalesce(usename, '?'), coalesce(state, '?'),
           extract(epoch FROM clock_timestamp() - xact_start)::float8,
           left(regexp_replace(coalesce(query, ''), '\\s+', ' ', 'g'), 80)
    FROM pg_stat_activity
    WHERE xact_start < clock_timestamp() - make_interval(secs => %s) AND pid <> pg_backend_pid()
      AND datname = current_database() AND backend_type = 'client backend'
    ORDER BY xact_start
"""
WAITING = """
    SELECT w.pid, extract(epoch FROM clock_timestamp() - min(l.waitstart))::float8,
           left(regexp_replace(coalesce(w.query, ''), '\\s+', ' ', 'g'), 60), pg_blocking_pids(w.pid)
    FROM pg_locks l JOIN pg_stat_activity w ON w.pid = l.pid
    WHERE NOT l.granted AND l.waitstart < clock_timestamp() - make_interval(secs => %s)
      AND w.datname = current_database()
    GROUP BY w.pid, w.query ORDER BY 2 DESC
"""
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared"
CONNECTIONS = "SELECT (SELECT count(*) FROM pg_stat_activity), current_setting('max_connections')::int"


def look(probe: Probe) -> Iterator[Check]:
    """Long transactions, lock queues, prepared transactions, connections."""
    with probe.reading() as session:
        open_long = session.rows(OPEN, (LONG,))
        waiting = session.rows(WAITING, (WAITS,))
        prepared = [gid for (gid,) in session.rows(PREPARED)]
        ((used, most),) = session.rows(CONNECTIONS)
    if open_long:
        yield Check(
            "long_transactions",
            "warn",
            listed(
                f"pid {p} ({user}, {state}, for {age_text(age)}): {query}" for p, user, state, age, query in open_long
            ),
            "What they have touched stays locked, and nothing that died since can be cleaned up.",
            f"SELECT pg_terminate_backend({open_long[0][0]}); if it is not meant to run",
        )
    else:
        yield Check("long_transactions", "ok", f"none older than {age_text(LONG)}")
    if waiting:
        blockers = sorted({pid for *_, pids in waiting for pid in pids} - {row[0] for row in waiting})
        yield Check(
            "lock_queue",
            "warn",
            listed(
                f"pid {pid} waits {age_text(age)} for {', '.join(map(str, pids)) or 'a lock'}: {query}"
                for pid, age, query, pids in waiting
            ),
            "Whoever wants the same table queues up behind them.",
            f"SELECT pg_terminate_backend({blockers[0] if blockers else waiting[0][0]}); frees the queue",
        )
    else:
        yield Check("lock_queue", "ok", "nobody waits for a lock")
    if prepared:
        yield Check(
            "prepared_transactions",
            "warn",
            listed(prepared),
            "They hold their locks across restarts, and a database with one cannot be renamed.",
            f"COMMIT PREPARED '{prepared[0]}'; or ROLLBACK PREPARED '{prepared[0]}';",
        )
    if used > 0.85 * most:
        yield Check(
            "connections",
            "warn",
            f"{used} of {most} in use",
            "A deploy needs a handful itself, and the application gets none when they run out.",
            "Lower connection_limit in the application's database URL, or raise max_connections.",
        )
    else:
        yield Check("connections", "ok", f"{used} of {most} in use")
