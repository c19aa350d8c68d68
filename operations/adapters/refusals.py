"""Why libpq got no connection, as our errors: from the server's words, for it tells no SQLSTATE of that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg

from operations.adapters.cutting import cut_after
from operations.errors import AuthenticationFailed, DatabaseMissing, DatabaseUnreachable, LocktenderError

SERVERS_OWN = re.compile(r"failed: \S+:  ")
"""In what libpq says of a connection: behind its own words come the server's, with a severity in any language."""
NOT_LET_IN = "Is the database's name right, and may this user connect to it? The server's own log tells more."
ADMIT = (
    "Let pg_hba.conf on the server admit this user to that database. To restore a backup, or to test that, it must get"
    " into databases of any name, and into the maintenance_database."
)
ENCRYPT = f"It was tried without TLS: put sslmode=require into the database URL. If that is refused as well: {ADMIT}"
NO_ROOM = (
    "The server, the database or the role has no connection left: end some (SELECT pid, usename, application_name FROM"
    " pg_stat_activity), or raise max_connections or CONNECTION LIMIT."
)
PATIENCE = 5.0
"""Seconds for one answer."""
_KNOWN = "SELECT pg_backend_pid(), EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %s)"


def connect_error(error: psycopg.Error, where: str, keywords: Mapping[str, Any]) -> LocktenderError:
    """Why there is no connection with these ``keywords``, as one of our errors."""
    # libpq never repeats a password, and gets it as a keyword, not inside a string that it could quote.
    text = str(error).strip()
    why = text.splitlines()[0] if text else "no reason given"
    sqlstate = error.sqlstate or _sqlstate_in(text)
    if sqlstate in ("28P01", "28000"):
        return AuthenticationFailed(
            f"The server at {where} refused the login of {keywords['user']!r}: {why}",
            hint=_hint(text),
            prisma_code="P1000",
        )
    if sqlstate == "53300":
        return unreachable(where, why, NO_ROOM, answered=True)
    if sqlstate == "3D000" or (SERVERS_OWN.search(text) and _lacks(keywords)):
        return DatabaseMissing(
            f"There is no database {keywords['dbname']!r} on {where}.",
            hint="Create it, or correct the name at the end of the database URL.",
            prisma_code="P1003",
        )
    if SERVERS_OWN.search(text):
        return unreachable(where, why, NOT_LET_IN, answered=True)
    return unreachable(where, why)


def unreachable(where: str, why: str, hint: str | None = None, *, answered: bool = False) -> DatabaseUnreachable:
    """``answered``: there is a PostgreSQL, but it does not take the connection."""
    begin = f"PostgreSQL at {where} takes no connection" if answered else f"No PostgreSQL answered at {where}"
    return DatabaseUnreachable(
        f"{begin}: {why}",
        hint=hint or "Is the server running, and is its port reachable from here?",
        prisma_code="P1001",
    )


def _hint(text: str) -> str:
    if "pg_hba.conf" not in text:
        return "Check the user and the password in the database URL."
    return ENCRYPT if "no encryption" in text and "SSL encryption" not in text else ADMIT


def _lacks(keywords: Mapping[str, Any]) -> bool:
    """Whether another database of the server says that there is none of that name.

    In which language it refuses a connection is the server's choice (lc_messages), and libpq tells no more than that.
    A pooler is not believed, for it may know a database by another name, or lead elsewhere with the other one.
    """
    wanted = keywords["dbname"]
    for other in sorted({"postgres", "template1"} - {wanted}):
        with (
            suppress(psycopg.Error),
            psycopg.connect(**{**keywords, "dbname": other, "autocommit": True}) as connection,
            cut_after(connection, PATIENCE),
        ):
            pid, found = connection.execute(_KNOWN, (wanted,)).fetchone() or (None, True)
            return pid == connection.info.backend_pid and not found
    return False


def _sqlstate_in(text: str) -> str | None:
    """By the server's words, where they are English."""
    if re.search('role ".*" does not exist', text):
        return "28000"
    if re.search('database ".*" does not exist', text):
        return "3D000"
    if any(words in text for words in ("password authentication failed", "no password supplied", "pg_hba.conf")):
        return "28P01"
    if "too many connections" in text or "too many clients" in text or "remaining connection slots" in text:
        return "53300"
    return None
