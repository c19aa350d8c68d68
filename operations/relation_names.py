"""Relations by the names that SQL writes them with, found without a right to the schemas they are in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from operations.ports import Session
from operations.quoting import suffixed

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\s]+)')
_FIND = """
    SELECT DISTINCT c.oid::bigint
    FROM unnest(%s::text[], %s::text[]) wanted (schema, name)
    JOIN pg_catalog.pg_class c ON c.relname = wanted.name JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = wanted.schema OR wanted.schema IS NULL AND pg_catalog.pg_table_is_visible(c.oid)
"""
# to_regclass raises an error for a schema that the role may not use, and for what is no name at all.


def name_parts(name: str) -> tuple[str, ...] | None:
    """What a dotted, perhaps quoted name says, cut as PostgreSQL cuts names; ``None`` where it is none. Pure."""
    parts, position = [], 0
    while match := _PART.match(name, position):
        quoted, plain = match.groups()
        parts.append(suffixed(quoted.replace('""', '"') if quoted else plain.lower(), ""))
        position = match.end()
        if position == len(name):
            return tuple(parts)
        if name[position] != ".":
            return None
        position += 1
    return None


def find_relations(session: Session, names: Iterable[str]) -> tuple[int, ...]:
    """Object ids of those relations that exist; names without a schema are looked up along the search path."""
    found = [parts for parts in map(name_parts, names) if parts]
    if not found:
        return ()
    schemas = [parts[-2] if len(parts) > 1 else None for parts in found]
    return tuple(oid for (oid,) in session.rows(_FIND, (schemas, [parts[-1] for parts in found])))
