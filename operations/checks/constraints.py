"""Are there constraints that rows from before may break?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed

NOT_VALID = """
    SELECT format('%I ON %s', conname, conrelid::regclass), format('ALTER TABLE %s VALIDATE CONSTRAINT %I;',
           conrelid::regclass, conname)
    FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0 AND contype IN ('c', 'f', 'n')
    ORDER BY 1
"""


def look(probe: Probe) -> Iterator[Check]:
    """Those that were never validated."""
    with probe.reading() as session:
        found = session.rows(NOT_VALID)
    if not found:
        yield Check("constraints", "ok", "all validated", value=0)
        return
    yield Check(
        "constraints",
        "warn",
        f"never validated: {listed(name for name, _ in found)}",
        "Rows from before it was added may break it; a restore of such rows is still possible, the promise is not.",
        str(found[0][1]),
        value=len(found),
    )
