"""psycopg as a ``Database``. No exception of psycopg's leaves this module."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import wraps
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from msgspec.structs import replace
from psycopg import generators, pq
from psycopg.abc import PQGen

from operations.adapters.cutting import cut_after
from operations.adapters.refusals import connect_error, unreachable
from operations.database_url import ConnectionParameters
from operations.errors import (
    AGAIN,
    ConnectionLost,
    HostError,
    LocktenderError,
    StatementFailed,
)
from operations.ports import Row, Target
from operations.quoting import identifier, literal

CONNECT_TIMEOUT = "10"
AT_ONCE = 500
FRESH_FOR = 60.0
"""Seconds for which an address that was told is not asked for again: after a restart it may be somebody else's."""
KEEPALIVE = {
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
SERVERS_KEEPALIVE = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""The same of the server's end: a machine of ours that vanished without a word keeps no locks for hours."""
NAMES_AS_THEY_ARE = {"quote_all_identifiers": "off"}
"""Else a name that one session has read is not the one that another has: they are compared as text."""
LIBPQ_ENVIRONMENT = {
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "hostaddr": "PGHOSTADDR",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "require_auth": "PGREQUIREAUTH",
}

ENDED = frozenset({"57P01", "57P02", "57P03", "25P03", "25P04", "57P05"})
"""The server ends the session: by an administrator, a crash, a shutdown, or one of its time-outs."""

HINTS = {
    "57014": "Unless somebody has cancelled it, a statement_timeout did: SELECT * FROM pg_db_role_setting shows where "
    "one is set, and ALTER DATABASE … RESET statement_timeout (or ALTER ROLE …) takes it away.",
}
"""By SQLSTATE, for whoever has no better one."""

P = ParamSpec("P")
T = TypeVar("T")


class PostgresDatabase:
    """A database reached over libpq: straight, or where ``address`` says that this process finds it.

    ``seen_from`` is the machine that the URL speaks from, if it is not this one.
    """

    def __init__(
        self,
        parameters: ConnectionParameters,
        address: Callable[[], tuple[str, int]] | None = None,
        seen_from: str | None = None,
    ) -> None:
        self._parameters = parameters
        self._address = address
        self._seen_from = seen_from
        self._known: tuple[float, tuple[str, int]] | None = None

    @property
    def target(self) -> Target:
        """Where it is."""
        return self._parameters.target

    def beside(self, database: str, schema: str | None) -> PostgresDatabase:
        """Another database of the server, whose sessions have ``schema`` for their search path."""
        target = replace(self.target, database=database, schema=schema)
        return PostgresDatabase(replace(self._parameters, target=target), self._address, self._seen_from)

    def connect(self, database: str | None = None, *, purpose: str = "") -> PostgresSession:
        """A session whose search path is exactly ``?schema=``, where the URL names one."""
        try:
            way, just_asked = self._led()
            try:
                return self._connected(way, database, purpose)
            except LocktenderError:
                self._known = None
                # Somebody else may have that address by now, who knows neither the user nor the database.
                if just_asked or (again := self._led()[0]) == way:
                    raise
            return self._connected(again, database, purpose)
        except HostError as error:
            raise unreachable(self._where(), error.message, error.hint) from error

    def _connected(self, way: Mapping[str, str], database: str | None, purpose: str) -> PostgresSession:
        target = self.target
        password = self._parameters.password
        keywords = {
            "connect_timeout": CONNECT_TIMEOUT,
            **KEEPALIVE,
            **dict(self._parameters.options),
            "host": target.host,
            "port": str(target.port),
            "user": target.user,
            "dbname": database or target.database,
            "client_encoding": "UTF8",
            "application_name": f"locktender {purpose}".strip(),
            **way,
        }
        if password:
            keywords["password"] = password.reveal()
        try:
            connection = psycopg.connect(autocommit=True, prepare_threshold=None, **keywords)  # type: ignore[arg-type]
        except psycopg.Error as error:
            raise connect_error(error, self._where(), keywords) from None
        return PostgresSession(connection, schema=target.schema if database in (None, target.database) else None)

    def ping(self, timeout: float) -> None:
        """A server may take the connection, and a pooler even the login, and then never answer."""
        until = time.monotonic() + timeout
        way, limit = dict(self._led()[0]), str(max(1, math.ceil(timeout)))
        with (
            closing(self._connected(way | {"connect_timeout": limit}, None, "ping")) as session,
            session.cut_after(max(0.1, until - time.monotonic())),
        ):
            session.rows("SELECT 1")

    def address(self) -> tuple[str, int] | None:
        """By the name in the URL, or the way that leads past it."""
        way, target = self._led()[0], self.target
        host = way.get("hostaddr") or dict(self._parameters.options).get("hostaddr") or target.host
        return None if host.startswith("/") else (host, int(way.get("port", target.port)))

    def _led(self) -> tuple[Mapping[str, str], bool]:
        """The way past the name in the URL, which TLS is still checked against; and whether it was asked just now."""
        if self._address is None:
            return {}, True
        known, now = self._known, time.monotonic()
        just_asked = known is None or now - known[0] > FRESH_FOR
        if known is None or just_asked:
            try:
                known = self._known = now, self._address()
            except HostError as error:
                raise unreachable(self._where(), error.message, error.hint) from error
        address, port = known[1]
        return {"port": str(port), **({} if address == self.target.host else {"hostaddr": address})}, just_asked

    def _where(self) -> str:
        place = f"{self.target.host}:{self.target.port}"
        return f"{place}, as seen from {self._seen_from}" if self._seen_from else place

    @contextmanager
    def session(self, database: str | None = None, *, purpose: str = "") -> Iterator[PostgresSession]:
        """``connect``, closed at the end."""
        session = self.connect(database, purpose=purpose)
        try:
            yield session
        finally:
            session.close()

    def client_environment(self, database: str | None = None) -> Mapping[str, str]:
        """Never argv: the password is in a variable of the child alone."""
        target = self.target
        variables = {
            "PGHOST": target.host,
            "PGPORT": str(target.port),
            "PGUSER": target.user,
            "PGDATABASE": database or target.database,
            "PGAPPNAME": "locktender client",
            "PGCONNECT_TIMEOUT": CONNECT_TIMEOUT,
            **{LIBPQ_ENVIRONMENT[key]: value for key, value in self._parameters.options if key in LIBPQ_ENVIRONMENT},
        }
        if self._parameters.password:
            variables["PGPASSWORD"] = self._parameters.password.reveal()
        return variables


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
