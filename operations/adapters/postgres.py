"""psycopg as a ``Database``. No exception of psycopg's leaves this module, nor that of its sessions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg
from msgspec.structs import replace

from operations.adapters.postgres_session import PostgresSession
from operations.adapters.refusals import connect_error, unreachable
from operations.database_url import ConnectionParameters
from operations.errors import HostError, LocktenderError
from operations.ports import Target

__all__ = ["PostgresDatabase", "PostgresSession"]

CONNECT_TIMEOUT = "10"
FRESH_FOR = 60.0
"""Seconds for which an address that was told is not asked for again: after a restart it may be somebody else's."""
KEEPALIVE = {
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
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
