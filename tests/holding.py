"""Whether anybody holds the migration lock."""

from __future__ import annotations

from operations.ports import Session


def is_held(session: Session, key: int) -> bool:
    """Whether any session in the same database, be it ours, holds the advisory lock now."""
    return bool(
        session.rows(
            "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s"
            " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (key,),
        )
    )
