"""Does anybody wait for a lock, and who has it?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.measures import age_text

WAITING = """
    SELECT w.pid, extract(epoch FROM clock_timestamp() - min(l.waitstart))::float8,
           left(regexp_replace(coalesce(w.query, ''), '\\s+', ' ', 'g'), 60), pg_blocking_pids(w.pid)
    FROM pg_locks l JOIN pg_stat_activity w ON w.pid = l.pid
    WHERE NOT l.granted AND l.waitstart < clock_timestamp() - make_interval(secs => %s)
      AND w.datname = current_database()
    GROUP BY w.pid, w.query ORDER BY 2 DESC
"""


def look(probe: Probe) -> Iterator[Check]:
    """Those who have waited for longer than ``lock_wait``, with whom they wait for."""
    with probe.reading() as session:
        waiting = session.rows(WAITING, (probe.limits.lock_wait,))
    if not waiting:
        yield Check("lock_queue", "ok", "nobody waits for a lock", value=0)
        return
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
        value=len(waiting),
    )
