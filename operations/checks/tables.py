"""Are the tables in a state in which a deploy stays quick and a replica can follow?"""

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
DEAD = """
    SELECT format('%I.%I', schemaname, relname), n_dead_tup, n_live_tup FROM pg_stat_user_tables
    WHERE n_dead_tup > 100000 AND n_dead_tup > n_live_tup / 2 ORDER BY n_dead_tup DESC
"""
XID_AGE = "SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()"
AGED, CRITICAL = 1_000_000_000, 1_700_000_000
"""Of 2 147 483 648 transactions; PostgreSQL refuses to write at about 2 144 000 000."""


def look(probe: Probe) -> Iterator[Check]:
    """Primary keys, dead rows, transaction ids."""
    with probe.reading() as session:
        keyless = [name for (name,) in session.rows(NO_PRIMARY_KEY)]
        dead = session.rows(DEAD)
        (age,) = session.rows(XID_AGE)[0]
    if keyless:
        yield Check(
            "primary_keys",
            "warn",
            f"without one: {listed(keyless)}",
            "Rows cannot be told apart: not by Prisma, not by logical replication.",
            f"ALTER TABLE {keyless[0]} ADD PRIMARY KEY (…); in a migration",
        )
    else:
        yield Check("primary_keys", "ok", "every table has one")
    if dead:
        yield Check(
            "dead_rows",
            "warn",
            listed(f"{name}: {gone:,} dead, {live:,} live" for name, gone, live in dead),
            "Autovacuum does not keep up: queries and backups read what is no longer there.",
            f"VACUUM (ANALYZE) {dead[0][0]};",
        )
    else:
        yield Check("dead_rows", "ok", "autovacuum keeps up")
    if age > AGED:
        yield Check(
            "transaction_ids",
            "fail" if age > CRITICAL else "warn",
            f"the oldest is {age:,} transactions old",
            "Before 2.1 billion PostgreSQL stops accepting writes. Something holds autovacuum back.",
            "Look for prepared transactions, replication slots and old sessions (below), then: VACUUM;",
        )
    else:
        yield Check("transaction_ids", "ok", f"{age:,} of 2,147,483,648 in use")
