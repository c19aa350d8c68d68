"""Will an id run out?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.quoting import identifier

USED = """
    SELECT s.seqrelid::regclass::text, a.attrelid::regclass::text, coalesce(a.attname, ''),
           pg_sequence_last_value(s.seqrelid)::numeric
             / least(s.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                               ELSE s.seqmax END)
    FROM pg_sequence s
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.deptype IN ('a', 'i')
      AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE s.seqincrement > 0 AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE') AND NOT s.seqcycle
    ORDER BY 4 DESC NULLS LAST
"""


def look(probe: Probe) -> Iterator[Check]:
    """The share of its range that each sequence, or the column it feeds, has used up."""
    with probe.reading() as session:
        used = [(name, table, column, float(part)) for name, table, column, part in session.rows(USED) if part]
    warn, fail = probe.limits.ids, probe.limits.ids_fail
    ending = [row for row in used if row[3] * 100 >= min(warn, fail)]
    if not ending:
        fullest = f"; the fullest has used {used[0][3]:.1%} of its numbers" if used else ""
        yield Check("sequences", "ok", f"none near its end{fullest}", value=used[0][3] if used else 0.0)
        return
    name, table, column, part = ending[0]
    widen = f"ALTER TABLE {table} ALTER COLUMN {identifier(column)} TYPE bigint; (rewrites the table: plan it) "
    yield Check(
        "sequences",
        "fail" if part * 100 >= fail else "warn",
        listed(f"{name} has used {share:.0%} of its numbers" for name, _, _, share in ending),
        "When it is used up, every INSERT fails.",
        (widen if table else "") + f"ALTER SEQUENCE {name} AS bigint;",
        value=part,
    )
