"""Are there indexes that do not do what their names promise?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed

INVALID = """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
    ORDER BY 1
"""


def look(probe: Probe) -> Iterator[Check]:
    """Invalid ones that nobody is just building."""
    with probe.reading() as session:
        invalid = [name for (name,) in session.rows(INVALID)]
    if not invalid:
        yield Check("indexes", "ok", "all valid", value=0)
        return
    yield Check(
        "indexes",
        "fail",
        f"invalid: {listed(invalid)}",
        "A CREATE INDEX CONCURRENTLY failed: the index is never used, but slows every write, and a unique one "
        "may not hold.",
        f"REINDEX INDEX CONCURRENTLY {invalid[0]}; (or DROP INDEX CONCURRENTLY)",
        value=len(invalid),
    )
