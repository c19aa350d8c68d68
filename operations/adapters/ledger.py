"""The ``Ledger`` in PostgreSQL. No exception of psycopg's or procrastinate's leaves it.

A change is at most four round trips: the request's row locked and read; the row and the vote written; the job; the
audit entries together with COMMIT, so that the chain is never locked while a message is on its way.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import psycopg_pool
from psycopg import pq

from operations.adapters import ledger_rows as rows
from operations.adapters import ledger_sql as sql
from operations.adapters.ledger_change import commit, locked, no_request, one, values_of, written
from operations.adapters.ledger_connection import configure, connected, keywords_of
from operations.adapters.ledger_errors import translated
from operations.adapters.ledger_held import PostgresHeld
from operations.adapters.ledger_home import LedgerHomes
from operations.adapters.ledger_monitor import LedgerMemory
from operations.adapters.ledger_schema import prepare
from operations.adapters.ledger_sweep import requeue
from operations.adapters.queue import Handlers, Worker, defer
from operations.approvals.change import Decide, NewRequest, Swept
from operations.approvals.deciding import expire, give_up, planned
from operations.approvals.model import AuditEntry, Event, Freeze, Message, Person, Request
from operations.database_url import ConnectionParameters
from operations.errors import RateLimited, RequestChanged

CONNECTIONS = 10
PATIENCE = 15.0
"""Seconds to wait for a connection."""


def _refuse_closed(connection: psycopg.Connection[Any]) -> None:
    """Raise if the server has closed it meanwhile: that has arrived already, and costs no round trip to see."""
    for _ in range(2):  # the server's last words first, then the end
        connection.pgconn.consume_input()


class PostgresLedger:
    """A pool of connections to the ledger's database; the tables are made when it is opened."""

    def __init__(
        self,
        parameters: ConnectionParameters,
        *,
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
        warm: int = 0,
        purpose: str = "ledger",
    ) -> None:
        """At most so many ``connections``; ``warm`` of them are always there, for who must answer quickly."""
        self._parameters = parameters
        self._pool = psycopg_pool.ConnectionPool(
            kwargs=keywords_of(parameters, purpose),
            min_size=warm,
            max_size=connections,
            num_workers=max(3, warm // 4),
            timeout=patience,
            reconnect_timeout=patience,
            configure=configure,
            check=_refuse_closed,
            open=False,
        )

    @translated
    def open(self) -> PostgresLedger:
        """Connect, and make or update the tables.

        Raises ``DatabaseUnreachable``, ``AuthenticationFailed``, ``DatabaseMissing``, ``StatementFailed``.
        """
        with connected(self._parameters, "ledger start") as connection:
            prepare(connection)
        self._pool.open()
        return self

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()

    @translated
    def now(self) -> float:
        """The database's clock."""
        with self._pool.connection() as connection:
            return float(one(connection.execute(sql.NOW.encode()))[0])

    @translated
    def create(self, new: NewRequest, *, per_hour: int | None = None) -> Request:
        """One commit: request, audit entries, messages, job."""
        id = new.id or secrets.token_urlsafe(12)
        with self._transaction() as connection:
            with connection.pipeline():
                connection.execute(sql.BEGIN)
                made = connection.execute(sql.CREATE.encode(), values_of(id, new))
                count = connection.execute(sql.OF_PERSON, (new.requester.id,))
            row, limit = made.fetchone(), one(count)[0]
            if row is None:
                return rows.request_of(one(connection.execute(sql.ONE.encode(), (id,))))
            if per_hour is not None and limit > per_hour:
                raise RateLimited(f"You have asked for {per_hour} things within an hour.", hint="Wait, then ask again.")
            request = rows.request_of(row)
            entries = [rows.body(Event.REQUESTED, new.requester, request, rows.facts_of(request))]
            if new.proposal is not None:
                request, more = written(connection, request, planned(request, new.proposal))
                entries += more
            elif new.executor == "worker":
                defer(connection, "plan", request)
            commit(connection, entries, request, new.messages)
        return request

    @translated
    def change(self, request_id: str, decide: Decide) -> Request:
        """One commit: request, vote, audit entries, job."""
        with self._transaction() as connection:
            request, situation = locked(connection, request_id)
            changed, entries = written(connection, request, decide(request, situation))
            commit(connection, entries, changed)
        return changed

    @translated
    def beat(self, request_id: str, token: int, progress: str | None = None) -> bool:
        """A sign of life."""
        with self._pool.connection() as connection:
            told = {"id": request_id, "token": token, "progress": progress}
            return connection.execute(sql.BEAT.encode(), told).fetchone() is not None

    @translated
    def request(self, request_id: str) -> Request:
        """One of them."""
        with self._pool.connection() as connection:
            row = connection.execute(sql.ONE.encode(), (request_id,)).fetchone()
        if row is None:
            raise no_request()
        return rows.request_of(row)

    @translated
    def open_requests(self, environment: str | None = None) -> tuple[Request, ...]:
        """The oldest first."""
        return tuple(map(rows.request_of, self._all(sql.OPEN, {"environment": environment})))

    @translated
    def history(self, environment: str | None = None, limit: int = 20) -> tuple[Request, ...]:
        """The newest first."""
        return tuple(map(rows.request_of, self._all(sql.HISTORY, {"environment": environment, "limit": limit})))

    @translated
    def typical_seconds(self, environment: str, operation: str) -> float | None:
        """A median."""
        ((seconds,),) = self._all(sql.TYPICAL, (environment, operation))
        return None if seconds is None else float(seconds)

    @translated
    def freeze(self, freeze: Freeze) -> Freeze:
        """One commit: the freeze, in place of the one before, and the audit entry."""
        by = freeze.by
        with self._transaction() as connection:
            connection.execute(sql.BEGIN)
            values = (freeze.environment, by.id, str(by.account), freeze.reason, freeze.until)
            frozen = rows.freeze_of(one(connection.execute(sql.FREEZE.encode(), values)))
            facts = {"environment": freeze.environment, "reason": freeze.reason, "until": frozen.until}
            commit(connection, [rows.body("frozen", by, None, facts)])
        return frozen

    @translated
    def unfreeze(self, environment: str, by: Person, reason: str) -> Freeze | None:
        """One commit: the freeze lifted, the audit entry."""
        with self._transaction() as connection:
            connection.execute(sql.BEGIN)
            row = connection.execute(sql.LIFT.encode(), (environment,)).fetchone()
            if row is None or not row[-1]:
                return None
            commit(connection, [rows.body("unfrozen", by, None, {"environment": environment, "reason": reason})])
        return rows.freeze_of(row[:-1])

    @translated
    def frozen(self, environment: str) -> Freeze | None:
        """The one that stands."""
        return next(map(rows.freeze_of, self._all(sql.FROZEN, (environment,))), None)

    @translated
    def show_in(self, request_id: str, kind: str, channel: str, ts: str | None = None, shown: int = 0) -> Message:
        """Once per kind and channel."""
        with self._pool.connection() as connection:
            connection.execute(sql.SHOW_IN.encode(), (kind, channel, ts, shown, request_id))
        return next(one for one in self.messages(request_id) if (one.kind, one.channel) == (kind, channel))

    @translated
    def messages(self, request_id: str) -> tuple[Message, ...]:
        """All of a request."""
        return tuple(map(rows.message_of, self._all(sql.MESSAGES, (request_id,))))

    @translated
    def stale_messages(self, limit: int = 20, lease: float = 30.0) -> tuple[Message, ...]:
        """Leased to the caller."""
        return tuple(sorted(map(rows.message_of, self._all(sql.STALE, (limit, lease))), key=lambda one: one.id))

    @translated
    def message_shown(self, message_id: int, ts: str | None, revision: int, rest: float = 0.0) -> None:
        """The lease ends with it, or when it has rested."""
        with self._pool.connection() as connection:
            if ts is None:
                connection.execute(sql.FORGET.encode(), (message_id,))
            else:
                connection.execute(sql.SHOWN.encode(), (ts, revision, rest, message_id))

    @translated
    def first_seen(self, signature: str) -> bool:
        """Insert or find."""
        with self._pool.connection() as connection:
            return connection.execute(sql.SEEN.encode(), (signature,)).rowcount == 1

    @translated
    def seen(self, signature: str) -> bool:
        """Find."""
        with self._pool.connection() as connection:
            return connection.execute(sql.IS_SEEN.encode(), (signature,)).fetchone() is not None

    @translated
    def note(self, event: str, by: Person | None, **facts: Any) -> AuditEntry:
        """One entry."""
        with self._pool.connection() as connection:
            return rows.entry_of(one(connection.execute(sql.AUDIT.encode(), (rows.body(event, by, None, facts),))))

    @translated
    def audit(self, after: int = 0, limit: int = 1000, request_id: str | None = None) -> tuple[AuditEntry, ...]:
        """In their order."""
        return tuple(map(rows.entry_of, self._entries(sql.ENTRIES, sql.ENTRIES_OF, after, limit, request_id)))

    @translated
    def audit_latest(self, after: int, limit: int, request_id: str | None = None) -> tuple[AuditEntry, ...]:
        """The newest of them, the oldest first."""
        newest = self._entries(sql.LATEST, sql.LATEST_OF, after, limit, request_id)
        return tuple(map(rows.entry_of, reversed(newest)))

    @translated
    def standing(self) -> Mapping[str, str]:
        """Id → state."""
        return dict(self._all("SELECT id, state FROM requests", ()))

    @translated
    def sweep(self, lost_after: float = 90.0) -> Swept:
        """Each request in a commit of its own."""
        found = [id for (id,) in self._all(sql.OVERDUE, ())]
        silent = [id for (id,) in self._all(sql.SILENT, (lost_after,))]
        expired = self._each(found, expire)
        lost = self._each(silent, lambda request, _: give_up(request, lost_after))
        with self._transaction() as connection:
            connection.execute(sql.BEGIN)
            requeued = requeue(connection)
            connection.execute("COMMIT")
        return Swept(expired, lost, requeued)

    @property
    def held(self) -> PostgresHeld:
        """What GitHub holds back, in the same database."""
        return PostgresHeld(self._pool)

    @property
    def homes(self) -> LedgerHomes:
        """What App Home shows."""
        return LedgerHomes(self._pool)

    def memory(self, environment: str) -> LedgerMemory:
        """What the monitor of an environment knows."""
        return LedgerMemory(self._pool, environment)

    def worker(self, handlers: Handlers, concurrency: int = 1) -> Worker:
        """A worker on the same database's queue."""
        return Worker(keywords_of(self._parameters, "worker"), handlers, concurrency)

    def _each(self, ids: Sequence[str], decide: Decide) -> tuple[str, ...]:
        changed = []
        for id in ids:
            with suppress(RequestChanged):  # by somebody else meanwhile
                changed.append(self.change(id, decide).id)
        return tuple(changed)

    def _entries(self, all: str, of_one: str, after: int, limit: int, request_id: str | None) -> list[Any]:
        return self._all(of_one, (after, request_id, limit)) if request_id else self._all(all, (after, limit))

    def _all(self, query: str, parameters: Any) -> list[Any]:
        with self._pool.connection() as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection to open one on; whatever is left open is rolled back."""
        with self._pool.connection() as connection:
            try:
                yield connection
            finally:
                if not connection.closed and connection.info.transaction_status != pq.TransactionStatus.IDLE:
                    connection.execute("ROLLBACK")
