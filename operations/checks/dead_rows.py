"""Does autovacuum keep up?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed

DEAD = """
    SELECT format('%%I.%%I', schemaname, relname), n_dead_tup, n_live_tup FROM pg_stat_user_tables
    WHERE n_dead_tup >= %s AND n_dead_tup > n_live_tup / 2 ORDER BY n_dead_tup DESC
"""


def look(probe: Probe) -> Iterator[Check]:
    """Tables in which dead rows pile up."""
    with probe.reading() as session:
        dead = session.rows(DEAD, (probe.limits.dead_rows,))
    if not dead:
        yield Check("dead_rows", "ok", "autovacuum keeps up", value=0)
        return
    yield Check(
        "dead_rows",
        "warn",
        listed(f"{name}: {gone:,} dead, {live:,} live" for name, gone, live in dead),
        "Autovacuum does not keep up: queries and backups read what is no longer there.",
        f"VACUUM (ANALYZE) {dead[0][0]};",
        value=dead[0][1],
    )
