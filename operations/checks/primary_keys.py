"""Can all rows be told apart?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed

NO_PRIMARY_KEY = """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
      -- Prisma's implicit many-to-many tables have a unique index over both columns instead.
      AND NOT (c.relname ^@ '_' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique))
    ORDER BY 1
"""


def look(probe: Probe) -> Iterator[Check]:
    """Tables without a primary key."""
    with probe.reading() as session:
        keyless = [name for (name,) in session.rows(NO_PRIMARY_KEY)]
    if not keyless:
        yield Check("primary_keys", "ok", "every table has one", value=0)
        return
    yield Check(
        "primary_keys",
        "warn",
        f"without one: {listed(keyless)}",
        "Rows cannot be told apart: not by Prisma, not by logical replication.",
        f"ALTER TABLE {keyless[0]} ADD PRIMARY KEY (…); in a migration",
        value=len(keyless),
    )
