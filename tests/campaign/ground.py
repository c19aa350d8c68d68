"""A server of the campaign's own, and one database on it that every trial finds in the same state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import FAST, ThrowawayServer, embedded_binaries
from operations.database_url import parse_database_url
from operations.errors import LocktenderError
from operations.quoting import identifier
from operations.secret import Secret

from ..conftest import DEBIAN_BINARIES, OWNER_PASSWORD, Server, missing
from ..locktender_process import Ran

LIVE = "shop"
TEMPLATE = "shop_template"
DURABLE = {**FAST, "synchronous_commit": "on", "max_connections": "100"}
"""What is committed must be there after a crash of the server, or the campaign would blame others for it."""
OURS = "application_name LIKE 'locktender%' AND application_name <> 'locktender client' AND pid <> pg_backend_pid()"


@contextmanager
def campaign_server(major: int) -> Iterator[Server]:
    """A durable throwaway server with the role that owns everything."""
    binaries = DEBIAN_BINARIES if major == 15 else embedded_binaries()
    if not binaries.exists():
        missing(f"PostgreSQL {major}")
    with ThrowawayServer(binaries=binaries, settings=DURABLE) as process:
        server = Server(process, major)
        with server.superuser().session() as session:
            session.execute(f"CREATE ROLE app_owner LOGIN CREATEDB PASSWORD '{OWNER_PASSWORD.reveal()}'")
        yield server


@dataclass(frozen=True)
class Ground:
    """The live database of a server, its template, and what else lies on the server."""

    server: Server

    @property
    def url(self) -> Secret:
        return self.server.url(LIVE)

    @property
    def live(self) -> PostgresDatabase:
        return PostgresDatabase(parse_database_url(self.url))

    def keep_as_template(self) -> None:
        """Remember the live database as it is: ``reset`` returns to it."""
        with self.server.superuser().session() as session:
            session.execute(f"DROP DATABASE IF EXISTS {identifier(TEMPLATE)} WITH (FORCE)")
            self._cut_off(session)
            session.execute(f"CREATE DATABASE {identifier(TEMPLATE)} TEMPLATE {LIVE} OWNER app_owner")

    def reset(self) -> None:
        """Drop every database but the template and make the live one anew from it."""
        with self.server.superuser().session() as session:
            for name in self.databases():
                if name != TEMPLATE:
                    session.execute(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")
            source = f"TEMPLATE {TEMPLATE}" if TEMPLATE in self.databases() else ""
            session.execute(f"CREATE DATABASE {LIVE} OWNER app_owner {source}")

    def databases(self) -> list[str]:
        with self.server.superuser().session() as session:
            found = session.rows("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")
        return [row[0] for row in found]

    def scratch(self) -> list[str]:
        return [name for name in self.databases() if name.startswith("lt_scratch_")]

    def answers(self) -> bool:
        """Whether the live name can be connected to, within the adapter's time-out."""
        try:
            with self.live.session() as session:
                return session.rows("SELECT 1") == [(1,)]
        except LocktenderError:
            return False

    def await_quiet(self, timeout: float = 60) -> None:
        """Until no statement of a killed client is under way any more (its client tools may be)."""
        deadline = time.monotonic() + timeout
        with self.server.superuser().session() as session:
            while session.rows(f"SELECT 1 FROM pg_stat_activity WHERE {OURS}"):
                assert time.monotonic() < deadline, session.rows(
                    "SELECT pid, application_name, state, query FROM pg_stat_activity WHERE datname IS NOT NULL"
                )
                time.sleep(0.02)

    def _cut_off(self, session: object) -> None:
        session.execute(  # type: ignore[attr-defined]
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (LIVE,),
        )


def expect(ran: Ran, *codes: int) -> Ran:
    assert ran.exit_code in codes, ran.said
    return ran
