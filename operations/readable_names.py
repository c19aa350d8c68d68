"""Databases whose names cannot be read: an SQL_ASCII one takes any bytes, and is asked in UTF-8."""

from __future__ import annotations

from operations import catalog
from operations.errors import Refused, StatementFailed
from operations.ports import Session

NOT_UTF8 = "22021"


def refuse_unreadable_names(session: Session) -> None:
    """Raise ``Refused`` where the catalog holds what is no UTF-8; what rows hold is never read as text."""
    if session.server_encoding != "SQL_ASCII":
        return
    try:
        catalog.read(session)
    except StatementFailed as error:
        if error.sqlstate != NOT_UTF8:
            raise
        raise Refused(
            "The database's encoding is SQL_ASCII, and a name or a definition in it is not UTF-8, so that it can be "
            f"neither read nor backed up: {error.message}.",
            hint="Rename that object (PGCLIENTENCODING=SQL_ASCII psql shows its bytes). Or give the database an "
            "encoding: dump it with pg_dump -E, and restore it into one made by createdb -E UTF8 -T template0.",
        ) from error
