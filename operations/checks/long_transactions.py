"""Is a transaction open that holds everybody back?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.measures import age_text

OPEN = """
    SELECT pid, coalesce(usename, '?'), coalesce(state, '?'),
           extract(epoch FROM clock_timestamp() - xact_start)::float8,
           left(regexp_replace(coalesce(query, ''), '\\s+', ' ', 'g'), 80)
    FROM pg_stat_activity
    WHERE xact_start < clock_timestamp() - make_interval(secs => %s) AND pid <> pg_backend_pid()
      AND datname = current_database() AND backend_type = 'client backend'
    ORDER BY xact_start
"""


def look(probe: Probe) -> Iterator[Check]:
    """Those open for longer than ``long_transaction``."""
    limit = probe.limits.long_transaction
    with probe.reading() as session:
        found = session.rows(OPEN, (limit,))
    if not found:
        yield Check("long_transactions", "ok", f"none older than {age_text(limit)}", value=0.0)
        return
    yield Check(
        "long_transactions",
        "warn",
        listed(f"pid {p} ({user}, {state}, for {age_text(age)}): {query}" for p, user, state, age, query in found),
        "What they have touched stays locked, and nothing that died since can be cleaned up.",
        f"SELECT pg_terminate_backend({found[0][0]}); if it is not meant to run",
        value=found[0][3],
    )
