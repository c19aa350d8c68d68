"""Drop a database of ours, whoever is still in it."""

from __future__ import annotations

from operations.errors import StatementFailed
from operations.ports import Session
from operations.quoting import identifier

ATTEMPTS = 3
NO_RIGHT = "42501"
IN_USE = "55006"

_END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
    WHERE datname = %s AND usesysid IS NOT NULL AND pg_has_role(usesysid, 'USAGE')
"""


def end_sessions(session: Session, name: str) -> None:
    """All in that database that this role may end."""
    session.rows(_END_SESSIONS, (name,))


def drop_database(session: Session, name: str) -> None:
    """Drop it if it exists, ending all sessions in it; raises ``StatementFailed``.

    A role without superuser rights may not end an autovacuum worker, so that its ``WITH (FORCE)`` fails while one is at
    work there. Without FORCE the server ends such workers itself, and waits 5 s for others to leave.
    """
    drop = f"DROP DATABASE IF EXISTS {identifier(name)}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            session.execute(f"{drop} WITH (FORCE)")
            return
        except StatementFailed as error:
            if error.sqlstate != NO_RIGHT:
                raise
        end_sessions(session, name)
        try:
            session.execute(drop)
            return
        except StatementFailed as error:
            if error.sqlstate != IN_USE or attempt == ATTEMPTS:
                raise
