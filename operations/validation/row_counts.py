"""Rows of a database that is ours to try things on: also of tables that hide them from their owner."""

from __future__ import annotations

from collections.abc import Collection

from operations.backups.manifest import TableRows
from operations.backups.rows import count_rows
from operations.errors import StatementFailed
from operations.ports import Session
from operations.taken_back import taken_back

DENIED = "42501"
_FORCED = """
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relforcerowsecurity AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
"""


def rows_of(session: Session, names: Collection[str] | None = None, *, hashed: bool = True) -> dict[str, TableRows]:
    """As ``count_rows``; where FORCE ROW LEVEL SECURITY is in the way, that is lifted for as long as it takes."""
    try:
        return count_rows(session, names, hashed=hashed)
    except StatementFailed as error:
        forced = [name for (name,) in session.rows(_FORCED)] if error.sqlstate == DENIED else []
        if not forced:
            raise
    with taken_back(session):
        session.script("".join(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;" for name in forced))
        return count_rows(session, names, hashed=hashed)
