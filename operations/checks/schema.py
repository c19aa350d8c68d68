"""Are there indexes and constraints that do not do what their names promise?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed

INVALID_INDEXES = """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
    ORDER BY 1
"""
NOT_VALID = """
    SELECT format('%I ON %s', conname, conrelid::regclass), format('ALTER TABLE %s VALIDATE CONSTRAINT %I;',
           conrelid::regclass, conname)
    FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0 AND contype IN ('c', 'f', 'n')
    ORDER BY 1
"""


def look(probe: Probe) -> Iterator[Check]:
    """Invalid indexes, constraints never validated."""
    with probe.reading() as session:
        invalid = [name for (name,) in session.rows(INVALID_INDEXES)]
        unvalidated = session.rows(NOT_VALID)
    if invalid:
        yield Check(
            "indexes",
            "fail",
            f"invalid: {listed(invalid)}",
            "A CREATE INDEX CONCURRENTLY failed: the index is never used, but slows every write, and a unique one "
            "may not hold.",
            " ".join(f"REINDEX INDEX CONCURRENTLY {name};" for name in invalid[:1]) + " (or DROP INDEX CONCURRENTLY)",
        )
    else:
        yield Check("indexes", "ok", "all valid")
    if unvalidated:
        yield Check(
            "constraints",
            "warn",
            f"never validated: {listed(name for name, _ in unvalidated)}",
            "Rows from before it was added may break it; a restore of such rows is still possible, the promise is not.",
            str(unvalidated[0][1]),
        )
    else:
        yield Check("constraints", "ok", "all validated")
