"""The ``statement_timeout`` that a migration runs under: where it comes from, and what to do about it."""

from __future__ import annotations

from operations.context import Context
from operations.errors import LocktenderError, MigrationFailed
from operations.quoting import identifier

CANCELLED = "57014"
_SET_BY = """
    SELECT reset_val || 'ms', source, session_user, current_database()
    FROM pg_catalog.pg_settings WHERE name = 'statement_timeout' AND reset_val <> '0'
"""
"""For a session that has set none itself, so that ``source`` says whose word of all that stand is the limit's."""


def told_of_limit(context: Context, error: MigrationFailed, *, in_pieces: bool) -> MigrationFailed:
    """The same error with who has set a limit, where it was cancelled and there is one.

    ``in_pieces``: the file's own ``SET`` is taken back before its next piece, and some of them it cannot share.
    """
    if error.details.get("sqlstate") != CANCELLED:
        return error
    try:
        with context.database.session(purpose="look") as session:
            found = session.rows(_SET_BY)
    except LocktenderError:
        return error
    for limit, source, role, database in found:
        by = _set_by(source, role, database)
        where = f"{by} SET" if by else _ELSEWHERE.get(source, "the server's configuration")
        free = "of a file that is run in pieces" if in_pieces else "where the file sets no statement_timeout"
        return MigrationFailed(
            f"{error.message} Each statement, {free}, may last {limit}, by {where}.",
            hint=f"{_lasting(by, role) if in_pieces else _within_the_file(by)}, then deploy again.",
            prisma_code=error.prisma_code,
            details=error.details,
        )
    return error


_ELSEWHERE = {"client": "the options that the client connects with (PGOPTIONS)"}


def _set_by(source: str, role: str, database: str) -> str:
    """The command, but for its end; empty where it was none."""
    who, where = identifier(role), identifier(database)
    return {
        "database user": f"ALTER ROLE {who} IN DATABASE {where}",
        "user": f"ALTER ROLE {who}",
        "database": f"ALTER DATABASE {where}",
        "global": "ALTER ROLE ALL",
    }.get(source, "")


def _within_the_file(by: str) -> str:
    set_none = "SET statement_timeout = 0; at the head of the file"
    return f"{by} RESET statement_timeout, or write {set_none}" if by else f"Write {set_none}"


def _lasting(by: str, role: str) -> str:
    """What holds for every session from then on."""
    if by:
        return f"{by} RESET statement_timeout, or SET a longer one so"
    return f"Set a longer one there, or, where that is the server's, by ALTER ROLE {identifier(role)} SET"
