"""Where sequences stand, and back to it: the one thing in a database that no ROLLBACK takes back."""

from __future__ import annotations

from collections.abc import Mapping

from operations.ports import Session
from operations.quoting import literal

AT_ONCE = 200
Positions = Mapping[str, tuple[int, bool]]
"""By quoted, dotted name: ``last_value`` and ``is_called``."""

_NAMES = """
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
"""
_PUT_BACK = """
    SELECT pg_catalog.setval(pg_catalog.to_regclass(name), value, called)
    FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::bigint[]), pg_catalog.unnest(%s::boolean[]))
         s (name, value, called)
    WHERE NOT called OR pg_catalog.pg_sequence_last_value(pg_catalog.to_regclass(name)) <> value
"""


def positions(session: Session) -> Positions:
    """Of all sequences that the role may move."""
    names = [name for (name,) in session.rows(_NAMES)]
    found: dict[str, tuple[int, bool]] = {}
    for start in range(0, len(names), AT_ONCE):
        query = " UNION ALL ".join(
            f"SELECT {literal(name)}, last_value, is_called FROM {name}" for name in names[start : start + AT_ONCE]
        )
        found |= {name: (value, called) for name, value, called in session.rows(query)}
    return found


def put_back(session: Session, was: Positions) -> None:
    """Those that have moved since, as far as they are still there. One query."""
    if was:
        values, called = zip(*was.values(), strict=True)
        session.rows(_PUT_BACK, (list(was), list(values), list(called)))
