"""Does every foreign key of a large table have an index?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.measures import size_text

WITHOUT = """
    SELECT c.conname, c.conrelid::regclass::text, sizes.bytes,
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
            FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number)
    FROM pg_constraint c
    CROSS JOIN LATERAL (
        SELECT coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(c.conrelid)),
                        pg_relation_size(c.conrelid))::bigint AS bytes
    ) sizes
    WHERE c.contype = 'f' AND c.conparentid = 0 AND sizes.bytes >= %s
      AND NOT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL
          -- The key's columns in any order, before all others of the index.
          AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
      )
    ORDER BY 3 DESC, 1
"""


def look(probe: Probe) -> Iterator[Check]:
    """Those of tables above ``unindexed`` without one."""
    limit = probe.limits.unindexed
    with probe.reading() as session:
        found = session.rows(WITHOUT, (limit,))
    if not found:
        yield Check("foreign_key_indexes", "ok", f"every one of a table above {size_text(limit)} has one", value=0)
        return
    _, table, _, columns = found[0]
    yield Check(
        "foreign_key_indexes",
        "warn",
        f"without one: {listed(f'{name} on {table} ({size_text(size)})' for name, table, size, _ in found)}",
        "Every DELETE, or change of a key, in the table referred to reads this one from end to end.",
        f"CREATE INDEX CONCURRENTLY ON {table} ({columns}); in a migration (@@index in the Prisma schema)",
        value=len(found),
    )
