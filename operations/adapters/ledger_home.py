"""App Home's tables: whose page shows what, and the last look at each environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import psycopg_pool

from operations.adapters.ledger_errors import translated

_OPENED = """
    INSERT INTO homes (person, opened_at, leased_until) VALUES (%s, now(), now() + interval '30 seconds')
    ON CONFLICT (person) DO UPDATE SET opened_at = excluded.opened_at, leased_until = excluded.leased_until
"""
_DUE = """
    UPDATE homes SET leased_until = now() + make_interval(secs => %(lease)s)
    WHERE person IN (
        SELECT person FROM homes
        WHERE opened_at > now() - make_interval(secs => %(within)s) AND leased_until < now()
        ORDER BY leased_until LIMIT 50 FOR UPDATE SKIP LOCKED)
    RETURNING person, shown
"""
_SHOWN = "UPDATE homes SET shown = %s, leased_until = now() WHERE person = %s"
_KEEP = """
    INSERT INTO boards (environment, look) VALUES (%s, %s)
    ON CONFLICT (environment) DO UPDATE SET look = excluded.look
"""


class LedgerHomes:
    """Threads may share it."""

    def __init__(self, pool: psycopg_pool.ConnectionPool[Any]) -> None:
        self._pool = pool

    @translated
    def opened(self, person: str) -> None:
        """Leased for as long as it takes to look."""
        self._do(_OPENED, (person,))

    @translated
    def due(self, within: float, lease: float) -> list[tuple[str, str]]:
        """Leased to the caller."""
        with self._pool.connection() as connection:
            found = connection.execute(_DUE.encode(), {"within": within, "lease": lease}).fetchall()
        return [(person, shown) for person, shown in found]

    @translated
    def shown(self, person: str, digest: str) -> None:
        """The lease ends with it."""
        self._do(_SHOWN, (digest, person))

    @translated
    def keep(self, environment: str, look: Mapping[str, Any]) -> None:
        """As JSON."""
        self._do(_KEEP, (environment, json.dumps(dict(look))))

    @translated
    def looks(self) -> dict[str, Mapping[str, Any]]:
        """All."""
        with self._pool.connection() as connection:
            return dict(connection.execute("SELECT environment, look FROM boards").fetchall())

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._pool.connection() as connection:
            connection.execute(statement.encode(), values)
