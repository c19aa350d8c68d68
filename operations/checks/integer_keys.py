"""Will an integer key that no sequence of its own feeds run out?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed

LOOKED_AT = 200
"""The largest so many tables: of a small one, an index look-up each is too much."""
KEYS = """
    SELECT i.indrelid::regclass::text, quote_ident(a.attname), a.atttypid = 'int2'::regtype
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indisprimary AND i.indnkeyatts = 1 AND a.atttypid IN ('int2'::regtype, 'int4'::regtype)
      AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'
      AND has_column_privilege(i.indrelid, a.attnum, 'SELECT')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                      AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i') AND d.classid = 'pg_class'::regclass)
    ORDER BY c.relpages DESC, 1 LIMIT %s
"""
MOST = {True: 32_767, False: 2_147_483_647}


def look(probe: Probe) -> Iterator[Check]:
    """The share of its type's range that the greatest key of each table has reached."""
    with probe.reading() as session:
        keys = session.rows(KEYS, (LOOKED_AT,))
        used = [
            (table, column, 100 * max(0, greatest or 0) / MOST[small])
            for table, column, small in keys
            for (greatest,) in session.rows(f"SELECT max({column}) FROM {table}")
        ]
    used.sort(key=lambda row: -row[2])
    warn, fail = probe.limits.ids, probe.limits.ids_fail
    ending = [row for row in used if row[2] >= min(warn, fail)]
    fullest = used[0][2] / 100 if used else 0.0
    if not ending:
        yield Check("integer_keys", "ok", f"{len(keys)} looked at, none near its end", value=fullest)
        return
    table, column, part = ending[0]
    yield Check(
        "integer_keys",
        "fail" if part >= fail else "warn",
        listed(f"{table}.{column} has used {share:.0f}% of its numbers" for table, column, share in ending),
        "When they are used up, every INSERT fails.",
        f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint; (rewrites the table: plan it)",
        value=fullest,
    )
