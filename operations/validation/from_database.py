"""What a database that can be reached tells: which migrations have landed there, and how many rows its tables hold."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from operations.errors import LocktenderError
from operations.migrations.formats import FORMATS
from operations.migrations.prisma_folder import accepted_checksums
from operations.ports import Database
from operations.read_only import read_only
from operations.rules.schema import Name
from operations.validation.folders import Folder

PATIENCE = 5.0
"""Seconds for a first answer."""
_ROWS = """
    SELECT n.nspname, c.relname, c.reltuples::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND c.reltuples >= 0
"""


class Live(Struct, frozen=True):
    """``base``: of the folder, what has been applied there. ``rows``: as the planner estimates them, by table.

    ``trouble``: why it could not be looked at.
    """

    base: Folder | None = None
    rows: Mapping[Name, int] = {}
    notes: tuple[str, ...] = ()
    trouble: LocktenderError | None = None


def look(database: Database, head: Folder) -> Live:
    """Changes nothing, in read-only transactions. That it cannot be looked at is told, and not raised."""
    rows: dict[Name, int] = {}
    try:
        database.ping(PATIENCE)
        with database.session(purpose="validate") as session:
            with read_only(session):
                rows = {(schema, table): count for schema, table, count in session.rows(_ROWS)}
            with read_only(session):
                history = FORMATS[0].history(session) or ()
    except LocktenderError as error:
        return Live(rows=rows, trouble=error)
    applied = {row.name: row.checksum for row in history if row.finished_at and not row.rolled_back_at}
    landed = {name: entry for name, entry in head.migrations.items() if name in applied}
    edited = [n for n, e in landed.items() if e.script is not None and applied[n] not in accepted_checksums(e.script)]
    notes = (f"Applied to the database, but the file is another one now: {', '.join(edited)}.",) if edited else ()
    base = Folder(landed, head.lock, head.loose, head.links, head.too_large, head.unread)
    return Live(base, rows, notes)
