"""A server of the campaign's own, and one database on it that every trial finds in the same state."""

from __future__ import annotations

import time
import uuid
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
from ..passwords import quickly_proved
from ..ports import free_port

LIVE = "shop"
TEMPLATES = "template_of_"
DURABLE = {**FAST, "synchronous_commit": "on", "max_connections": "100"}
"""What is committed must be there after a crash of the server, or the campaign would blame others for it."""
OURS = "application_name LIKE 'locktender%' AND application_name <> 'locktender client' AND pid <> pg_backend_pid()"


@contextmanager
def campaign_server(major: int) -> Iterator[Server]:
    """A durable throwaway server with the role that owns everything."""
    binaries = DEBIAN_BINARIES if major == 15 else embedded_binaries()
    if not binaries.exists():
        missing(f"PostgreSQL {major}")
    with ThrowawayServer(binaries=binaries, settings=DURABLE, port=free_port()) as process:
        server = Server(process, major)
        with server.superuser().session() as session:
            session.execute(f"CREATE ROLE app_owner LOGIN CREATEDB PASSWORD '{quickly_proved(OWNER_PASSWORD)}'")
            session.execute(f"ALTER ROLE postgres PASSWORD '{quickly_proved(process.password)}'")
        yield server


@dataclass(frozen=True)
class Ground:
    """The live database of a server, the template that it is made from, and what else lies on the server."""

    server: Server
    template: str | None = None

    @property
    def url(self) -> Secret:
        return self.server.url(LIVE)

    @property
    def live(self) -> PostgresDatabase:
        return PostgresDatabase(parse_database_url(self.url))

    def kept_as_template(self) -> Ground:
        """Remember the live database as it is: ``reset`` of the result returns to it."""
        name = f"{TEMPLATES}{uuid.uuid4().hex[:8]}"
        with self.server.superuser().session() as session:
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                (LIVE,),
            )
            session.execute(f"CREATE DATABASE {name} TEMPLATE {LIVE} OWNER app_owner")
        return Ground(self.server, name)

    def reset(self) -> None:
        """Drop every database but the templates, and make the live one anew, empty or from its template."""
        with self.server.superuser().session() as session:
            for name in self.databases():
                session.execute(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")
            session.execute(f"CREATE DATABASE {LIVE} OWNER app_owner TEMPLATE {self.template or 'template1'}")

    def databases(self) -> list[str]:
        """All but the server's own and the templates."""
        with self.server.superuser().session() as session:
            found = session.rows("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")
        return [row[0] for row in found if not row[0].startswith(TEMPLATES)]

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


def expect(ran: Ran, *codes: int) -> Ran:
    assert ran.exit_code in codes, ran.said
    return ran
