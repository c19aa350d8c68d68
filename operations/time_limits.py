"""The ``statement_timeout`` that a migration runs under: where it comes from, and what to do about it."""

from __future__ import annotations

from operations.context import Context
from operations.errors import LocktenderError, MigrationFailed
from operations.quoting import identifier

CANCELLED = "57014"
_SET_BY = """
    SET LOCAL statement_timeout TO 0;
    SELECT l.reset_val || 'ms', r.rolname, d.datname
    FROM pg_catalog.pg_settings l
    LEFT JOIN pg_catalog.pg_db_role_setting s
         ON EXISTS (SELECT FROM unnest(s.setconfig) one WHERE starts_with(one, l.name || '='))
         AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
         AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    WHERE l.name = 'statement_timeout' AND l.reset_val <> '0'
    ORDER BY 2 NULLS LAST, 3 NULLS LAST LIMIT 1
"""
"""In PostgreSQL's own order: of the role in this database, of the role, of the database; else the session's default."""


def told_of_limit(context: Context, error: MigrationFailed) -> MigrationFailed:
    """The same error with who has set a limit, where it was cancelled and there is one."""
    if error.details.get("sqlstate") != CANCELLED:
        return error
    try:
        with context.database.session(purpose="look") as session:
            found = session.rows(_SET_BY)
    except LocktenderError:
        return error
    for limit, role, database in found:
        by = _set_by(role, database)
        where = f"{by} SET" if by else "the server's configuration, or the options of the database URL"
        lift = f"{by} RESET statement_timeout, or write" if by else "Write"
        return MigrationFailed(
            f"{error.message} Where the file sets no statement_timeout, each statement may last {limit}, by {where}.",
            hint=f"{lift} SET statement_timeout = 0; at the head of the file, then deploy again.",
            prisma_code=error.prisma_code,
            details=error.details,
        )
    return error


def _set_by(role: str | None, database: str | None) -> str:
    """The command, but for its end."""
    if role:
        return f"ALTER ROLE {identifier(role)}" + (f" IN DATABASE {identifier(database)}" if database else "")
    return f"ALTER DATABASE {identifier(database)}" if database else ""
