"""``HeldDeployments`` in the ledger's database."""

from __future__ import annotations

from typing import Any

import psycopg_pool

from operations.adapters import ledger_rows as rows
from operations.adapters.ledger_change import commit
from operations.adapters.ledger_errors import translated
from operations.adapters.ledger_sql import BEGIN
from operations.approvals.held import Answer, Held, Word

COLUMNS = "environment, repository, there, run_id, deployment_id, id, request_id, telling, tries, gone, due::text"
HOLD = """
    INSERT INTO held_deployments (environment, repository, there, run_id, deployment_id)
    VALUES (%s, lower(%s), %s, %s, %s) ON CONFLICT DO NOTHING
"""
WAS_HELD = """
    SELECT EXISTS (SELECT FROM held_deployments WHERE repository = lower(%s) AND run_id = %s AND environment = %s)
"""
DUE = f"""
    UPDATE held_deployments SET due = clock_timestamp() + make_interval(secs => %s)
    WHERE id IN (SELECT id FROM held_deployments WHERE answer IS NULL AND due <= clock_timestamp()
                 ORDER BY due, id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING {COLUMNS}
"""
ASKED = "UPDATE held_deployments SET request_id = %s WHERE id = %s AND request_id IS NULL"
LATER = """
    UPDATE held_deployments SET due = clock_timestamp() + make_interval(secs => %s), tries = %s, gone = %s
    WHERE id = %s AND answer IS NULL AND due = %s::timestamptz
"""
TELLING = """
    UPDATE held_deployments SET telling = %s WHERE id = %s AND answer IS NULL AND due = %s::timestamptz
"""
ANSWERED = """
    UPDATE held_deployments SET answer = %s, answered_at = clock_timestamp() WHERE id = %s AND answer IS NULL
"""
REDELIVER = """
    INSERT INTO redeliveries (guid, due) VALUES (%s, clock_timestamp() + interval '30 seconds')
    ON CONFLICT (guid) DO UPDATE SET tries = redeliveries.tries + 1,
        due = clock_timestamp() + make_interval(secs => least(900, 30 * 2 ^ least(redeliveries.tries, 10)))
    WHERE redeliveries.due <= clock_timestamp() AND redeliveries.tries < %s
"""
FORGET_REDELIVERIES = "DELETE FROM redeliveries WHERE due < clock_timestamp() - interval '30 days'"


class PostgresHeld:
    """On the ledger's own connections."""

    def __init__(self, pool: psycopg_pool.ConnectionPool[Any]) -> None:
        self._pool = pool

    @translated
    def hold(self, one: Held) -> bool:
        """Insert or find."""
        values = (one.environment, one.repository, one.there, one.run_id, one.deployment_id)
        with self._pool.connection() as connection:
            return bool(connection.execute(HOLD, values).rowcount == 1)

    @translated
    def was_held(self, environment: str, repository: str, run_id: int) -> bool:
        """By the names that it was recorded under."""
        with self._pool.connection() as connection:
            row = connection.execute(WAS_HELD, (repository, run_id, environment)).fetchone()
        return bool(row and row[0])

    @translated
    def due(self, lease: float, limit: int = 20) -> tuple[Held, ...]:
        """Leased to the caller."""
        with self._pool.connection() as connection:
            found = connection.execute(DUE.encode(), (lease, limit)).fetchall()
        return tuple(sorted((Held(*row) for row in found), key=lambda one: one.id))

    @translated
    def asked(self, one: Held, request_id: str) -> None:
        """The request that decides."""
        with self._pool.connection() as connection:
            connection.execute(ASKED, (request_id, one.id))

    @translated
    def later(self, one: Held, seconds: float, tries: int = 0, gone: int = 0) -> None:
        """The lease ends then."""
        with self._pool.connection() as connection:
            connection.execute(LATER, (seconds, tries, gone, one.id, one.lease))

    @translated
    def telling(self, one: Held, word: Word) -> bool:
        """Only on one's own lease."""
        with self._pool.connection() as connection:
            return bool(connection.execute(TELLING, (word, one.id, one.lease)).rowcount == 1)

    @translated
    def answered(self, one: Held, answer: Answer, comment: str) -> bool:
        """One commit with its entry in the audit log."""
        facts = {
            "environment": one.environment,
            "request": one.request_id,
            "repository": one.repository,
            "run": one.run_id,
            "answer": answer,
            "reason": comment,
        }
        with self._pool.connection() as connection:
            try:
                connection.execute(BEGIN)
                changed = bool(connection.execute(ANSWERED, (answer, one.id)).rowcount == 1)
                if changed:
                    commit(connection, [rows.body("github", None, None, facts)])
                return changed
            finally:
                connection.rollback()

    @translated
    def redeliver(self, guid: str, most: int) -> bool:
        """Insert, or count one more where it is due."""
        with self._pool.connection() as connection:
            mine = bool(connection.execute(REDELIVER, (guid, most)).rowcount == 1)
            if mine:
                connection.execute(FORGET_REDELIVERIES)
        return mine
