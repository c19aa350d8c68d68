"""A connection pooler between us and PostgreSQL: harmless where each client keeps its session, refused where not.

In transaction (or statement) mode the server session behind a connection changes between statements. Advisory locks,
``SET`` and exported snapshots belong to the session, so nothing that Locktender relies on would hold there.
"""

from __future__ import annotations

from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import PoolerInBetween
from operations.ports import Session

ROUNDS = 10
"""Statements tried on each of two connections; a pooler hands out the server session it got back last, so one is
nearly always enough."""

HINT = (
    "Use the URL of PostgreSQL itself (Prisma's directUrl, often DIRECT_URL, usually on port 5432), or the pooler's"
    " port in session mode."
)


def refuse_pooler(context: Context) -> None:
    """Raise ``PoolerInBetween`` where server sessions are shared between clients, or where the URL says so."""
    if parse_database_url(context.environment.database_url).pgbouncer:
        raise PoolerInBetween(
            "The database URL says pgbouncer=true: it is meant for a pooler that shares sessions between clients, and"
            " neither locks nor settings hold there.",
            hint=HINT,
        )
    with context.database.session(purpose="pooler check") as first:
        if first.claimed_pid == first.pid:
            return
        with context.database.session(purpose="pooler check") as second:
            shared = _shared(first, second)
    if shared:
        raise PoolerInBetween(
            f"Between here and {context.database.target} is a connection pooler in transaction mode: two connections"
            " got the same server session, so neither locks nor settings hold.",
            hint=HINT,
        )


def _shared(first: Session, second: Session) -> bool:
    """Whether two open connections ever meet in one server session, or one of them changes its own."""
    of_first: set[int] = set()
    of_second: set[int] = set()
    for _ in range(ROUNDS):
        of_first.add(first.pid)
        of_second.add(second.pid)
        if of_first & of_second or len(of_first) > 1 or len(of_second) > 1:
            return True
    return False
