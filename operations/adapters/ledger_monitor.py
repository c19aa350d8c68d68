"""``MonitorMemory`` in the ledger: a state is compared and set, so that of two looks at the same time one counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg_pool
from msgspec.structs import replace

from operations.adapters.ledger_errors import translated
from operations.monitoring.model import State

DAYS = 14
"""So long looks are kept; those that had something to tell, for ``DAYS_TOLD``."""
DAYS_TOLD = 400
_LOAD = "SELECT state, looked_at FROM monitor_states WHERE environment = %s"
_SAVE = """
    INSERT INTO monitor_states AS now (environment, looked_at, state) VALUES (%(name)s, %(at)s, %(state)s)
    ON CONFLICT (environment) DO UPDATE SET looked_at = excluded.looked_at, state = excluded.state
    WHERE now.looked_at = %(before)s
"""
_APPEND = "INSERT INTO monitor_looks (environment, at, told, look) VALUES (%s, %s, %s, %s)"
_FORGET = "DELETE FROM monitor_looks WHERE environment = %s AND told = %s AND at < now() - make_interval(days => %s)"
_LOOKS = "SELECT look FROM monitor_looks WHERE environment = %s AND told AND at >= %s ORDER BY at, id"


class LedgerMemory:
    """Of one environment. A state is known by when it was looked."""

    def __init__(self, pool: psycopg_pool.ConnectionPool[Any], environment: str) -> None:
        self._pool, self._environment = pool, environment

    @translated
    def load(self) -> State:
        """The newest. One that cannot be read is still known by when it was looked, so that it can be written over."""
        with self._pool.connection() as connection:
            row = connection.execute(_LOAD, (self._environment,)).fetchone()
        return replace(State.from_bytes(row[0].encode()), looked_at=row[1]) if row else State()

    @translated
    def save(self, state: State, before: State, look: Mapping[str, Any] | None) -> bool:
        """One commit: the state, and the line."""
        values = {"name": self._environment, "at": state.looked_at, "before": before.looked_at}
        with self._pool.connection() as connection, connection.transaction():
            if connection.execute(_SAVE, {**values, "state": state.to_bytes().decode()}).rowcount != 1:
                return False
            if look is not None:
                at = datetime.fromtimestamp(state.looked_at, UTC)
                connection.execute(_APPEND, (self._environment, at, bool(look.get("events")), json.dumps(look)))
                for told, days in ((False, DAYS), (True, DAYS_TOLD)):
                    connection.execute(_FORGET, (self._environment, told, days))
        return True

    @translated
    def looks(self, since: float) -> list[Mapping[str, Any]]:
        """Those that had something to tell."""
        with self._pool.connection() as connection:
            rows = connection.execute(_LOOKS, (self._environment, datetime.fromtimestamp(since, UTC))).fetchall()
        return [look for (look,) in rows]
