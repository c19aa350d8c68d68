"""A connection of psycopg's as a ``Session``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen

from operations.adapters.cutting import cut_after
from operations.errors import AGAIN, ConnectionLost, LocktenderError, StatementFailed
from operations.ports import Row
from operations.quoting import identifier, literal

AT_ONCE = 500
"""Rows that a stream asks for at a time."""
SERVERS_KEEPALIVE = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""``postgres.KEEPALIVE`` of the server's end: a machine of ours that vanished in silence keeps no locks for hours."""
NAMES_AS_THEY_ARE = {"quote_all_identifiers": "off"}
"""Else a name that one session has read is not the one that another has: they are compared as text."""
ENDED = frozenset({"57P01", "57P02", "57P03", "25P03", "25P04", "57P05"})
"""The server ends the session: by an administrator, a crash, a shutdown, or one of its time-outs."""

HINTS = {
    "57014": "Unless somebody has cancelled it, a statement_timeout did: SELECT * FROM pg_db_role_setting shows where "
    "one is set, and ALTER DATABASE … RESET statement_timeout (or ALTER ROLE …) takes it away.",
}
"""By SQLSTATE, for whoever has no better one."""

P = ParamSpec("P")
T = TypeVar("T")


def _translated(
    method: Callable[Concatenate[PostgresSession, P], T],
) -> Callable[Concatenate[PostgresSession, P], T]:
    @wraps(method)
    def wrapper(self: PostgresSession, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except psycopg.Error as error:
            raise _statement_error(error, 0, lost=self.closed) from None

    return wrapper


class PostgresSession:
    """One psycopg connection in autocommit mode; transactions are opened in so many words."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str | None = None) -> None:
        self._connection = connection
        self._schema = schema
        if schema:
            self.execute(f"SET search_path TO {identifier(schema)}")

    @property
    def pid(self) -> int:
        """Asked of the server: a pooler invents the one that libpq was told."""
        return int(self.rows("SELECT pg_backend_pid()")[0][0])

    @property
    def claimed_pid(self) -> int:
        """The process id told at connection; differs from ``pid`` behind a pooler."""
        return self._connection.pgconn.backend_pid

    @property
    def server_version(self) -> int:
        """150018 is 15.18."""
        return self._connection.pgconn.server_version

    @property
    def server_encoding(self) -> str:
        """As it was told at the login."""
        return self._connection.info.parameter_status("server_encoding") or ""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.closed

    @property
    def in_transaction(self) -> bool:
        """As libpq keeps count of it."""
        return self._connection.info.transaction_status != pq.TransactionStatus.IDLE

    @_translated
    def rows(self, query: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of one statement; of several in one message, those of the last."""
        cursor = self._connection.execute(query.encode(), params or None)
        while cursor.nextset():
            pass
        return cursor.fetchall()

    def stream(self, query: str) -> Iterator[Row]:
        """Some hundred rows at a time."""
        try:
            with self._connection.cursor() as cursor:
                yield from cursor.stream(query.encode(), size=AT_ONCE)
        except psycopg.Error as error:
            raise _statement_error(error, 0, lost=self.closed) from None

    @_translated
    def execute(self, query: str, params: Sequence[Any] = ()) -> int:
        """Number of rows touched."""
        return self._connection.execute(query.encode(), params or None).rowcount

    def script(self, text: str) -> int:
        """One simple-query message, so that the server splits the text itself, as it does for Prisma up to 7.3."""
        return len(self._send(text))

    @_translated
    def _send(self, text: str) -> list[pq.abc.PGresult]:
        connection = self._connection
        connection.pgconn.send_query(text.encode())
        connection.pgconn.set_single_row_mode()  # or a SELECT of many rows would fill the memory
        results = connection.wait(_without_rows(connection.pgconn))
        for index, result in enumerate(results):
            if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED):
                error = psycopg.errors.error_from_result(result, encoding="utf-8")
                raise _statement_error(error, index, lost=self.closed)
            if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH):
                connection.close()
                raise StatementFailed(
                    "COPY from or to the client cannot be part of a migration.",
                    sqlstate="0A000",
                    statement=index,
                )
        return results

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[None]:
        """Rolled back by any exception; a connection lost during COMMIT leaves the outcome in doubt."""
        self.execute(begin)
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        try:
            self._commit()
        except ConnectionLost as error:
            error.details["in_doubt"] = True
            raise

    def reset(self, settings: Mapping[str, str] = MappingProxyType({}), then: str = "", first: str = "") -> int:
        """One message; advisory locks and temporary tables stay."""
        commands = [f"{first}\n", "RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"]
        if self._schema:
            commands.append(f"SET search_path TO {identifier(self._schema)}")
        chosen = {**SERVERS_KEEPALIVE, **NAMES_AS_THEY_ARE, **settings}
        commands += [f"SET {name} TO {literal(value)}" for name, value in chosen.items()]
        return self._send("; ".join([*commands, then]))[-1].command_tuples or 0

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """The line is cut if the block takes longer; whoever waits for an answer then gets ``ConnectionLost``."""
        with cut_after(self._connection, seconds):
            yield

    @_translated
    def _commit(self) -> None:
        status = self._connection.execute(b"COMMIT").statusmessage
        if status != "COMMIT":
            # An error that a script swallowed: the server answers COMMIT with ROLLBACK and no error at all.
            raise StatementFailed("The transaction had been aborted and was rolled back.", sqlstate="25P02")

    def _roll_back(self) -> None:
        if self._connection.closed:
            return
        try:
            if self._connection.info.transaction_status != pq.TransactionStatus.IDLE:
                self._connection.execute(b"ROLLBACK")
        except psycopg.Error:
            self._connection.close()


def _without_rows(pgconn: pq.abc.PGconn) -> PQGen[list[pq.abc.PGresult]]:
    """``generators.execute``, but that rows are let go of one by one."""
    yield from generators.send(pgconn)
    results: list[pq.abc.PGresult] = []
    while True:
        try:
            result = yield from generators.fetch(pgconn)
        except psycopg.DatabaseError:
            if results and results[-1].status == pq.ExecStatus.FATAL_ERROR:
                return results  # the server said why, and hung up
            raise
        if result is None:
            return results
        if result.status != pq.ExecStatus.SINGLE_TUPLE:
            results.append(result)
        if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH):
            return results


def _statement_error(error: psycopg.Error, statement: int, *, lost: bool) -> LocktenderError:
    """``lost``: our own connection is gone; a class 08 without that is about one that the server had made elsewhere."""
    sqlstate = error.sqlstate or ""
    if lost or sqlstate in ENDED or (not sqlstate and isinstance(error, psycopg.OperationalError)):
        why = " ".join(str(error).split())  # libpq breaks its lines
        return ConnectionLost(f"The connection to the database was lost: {why}", hint=AGAIN, prisma_code="P1017")
    diagnosis = error.diag
    position = diagnosis.statement_position
    return StatementFailed(
        (diagnosis.message_primary or str(error)).strip(),
        sqlstate=sqlstate or "XX000",
        statement=statement,
        position=int(position) - 1 if position else None,
        detail=diagnosis.message_detail,
        server_hint=diagnosis.message_hint,
        context=diagnosis.context,
        hint=HINTS.get(sqlstate),
    )
