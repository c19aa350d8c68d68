"""Do tables take up much more room than their rows need?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.measures import size_text

HEADER = 28
"""Bytes that each row takes besides its values: header and line pointer."""
BLOATED = """
    SELECT c.oid::regclass::text, pg_relation_size(c.oid), (pg_relation_size(c.oid) - needed.bytes)::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT c.reltuples * (sum(s.avg_width * (1 - s.null_frac)) + {header})
               / (coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=(\\d+)')::float8, 100) / 100)
               AS bytes
        FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited
    ) needed
    WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND c.reltuples >= 0 AND needed.bytes IS NOT NULL
      AND pg_relation_size(c.oid) - needed.bytes >= %s AND needed.bytes < pg_relation_size(c.oid) / 2
    ORDER BY 3 DESC
""".replace("{header}", str(HEADER))


def look(probe: Probe) -> Iterator[Check]:
    """Estimated from the planner's statistics; tables that were never analyzed, or may not be read, are left out."""
    limit = probe.limits.bloat
    with probe.reading() as session:
        found = session.rows(BLOATED, (limit,))
    if not found:
        yield Check("bloat", "ok", f"no table takes up {size_text(limit)} in vain", value=0)
        return
    yield Check(
        "bloat",
        "warn",
        listed(f"{name}: about {size_text(vain)} of {size_text(size)} in vain" for name, size, vain in found),
        "Rows were deleted or rewritten in masses; scans and backups pay for the room that they have left.",
        f"VACUUM (FULL, ANALYZE) {found[0][0]}; while the application is stopped, or pg_repack",
        value=found[0][2],
    )
