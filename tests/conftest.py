"""Real servers for the tests: throwaway PostgreSQL 15 (Debian's) and 18 (embedded), one of each per worker."""

from __future__ import annotations

import os
import re
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.processes import LocalProcesses
from operations.adapters.throwaway import FAST, ThrowawayServer, embedded_binaries
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import LocktenderError
from operations.quoting import identifier
from operations.secret import Secret
from operations.settings import Environment

from . import forked
from .passwords import quickly_proved
from .ports import free_port

if TYPE_CHECKING:
    from operations.adapters.ledger import PostgresLedger

    from .documents.snippets import Snippet
    from .sshd import Sshd
    from .trials import Kept

# Started by nohup or in the background, a process ignores signals, and so does all that it starts. Those that it
# handles, however little it does, are at their default again in what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
for each in (signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(each) is signal.SIG_IGN:
        signal.signal(each, lambda _number, _frame: None)

hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")
DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
MORE = {"wal_level": "logical", "max_prepared_transactions": "5", "max_connections": "200", "autovacuum_naptime": "15s"}
"""So that there can be things that bind a database (replication slots, prepared transactions), and many processes; and
autovacuum does not begin a worker ten times a second, as it would with a second for so many databases."""
OWNER_PASSWORD = Secret("owner pass/word@1")
BY_CHANCE = re.compile("_[0-9a-f]{8,}$")
"""What names of databases end in that nobody else has."""
SERVERS: list[Server] = []
"""Those that run, for all tests of this process or for one."""


def missing(what: str) -> None:
    """Skip for lack of a part on a user's machine; in CI a lack is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI is set: nothing is skipped there")
    pytest.skip(f"{what} is missing")


@dataclass(frozen=True)
class Server:
    """A running throwaway server, and databases made on it."""

    process: ThrowawayServer
    major: int
    made: list[str] = field(default_factory=list, compare=False, repr=False)
    """Databases on it that go with the test that has made them."""

    def superuser(self, database: str = "postgres") -> PostgresDatabase:
        return PostgresDatabase(parse_database_url(self.process.url(database)))

    def url(self, database: str, user: str = "app_owner", password: Secret = OWNER_PASSWORD) -> Secret:
        from urllib.parse import quote

        word = quote(password.reveal(), safe="")
        return Secret(
            f"postgresql://{quote(user, safe='')}:{word}@127.0.0.1:{self.process.port}/{quote(database, safe='')}"
        )

    def create(
        self,
        name: str | None = None,
        owner: str = "app_owner",
        template: str = "template1",
        *,
        for_others: bool = False,
    ) -> str:
        """A new database that belongs to ``owner``, empty or a copy of ``template``; returns its name.

        It is dropped after the test, unless that makes it ``for_others``, or a fixture of a wider scope has made it.
        """
        name = name or f"t_{uuid.uuid4().hex[:12]}"
        with self.superuser().session() as session:
            session.execute(
                f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)} TEMPLATE {identifier(template)}"
                " STRATEGY file_copy"  # nothing waits for a disk here, and the log would take the same bytes again
            )
        if not for_others:
            self.made.append(name)
        return name

    def drop(self, names: list[str]) -> None:
        """These, and copies whose names only go on from theirs. One that is bound to the server stays."""
        ours = tuple(name for name in names if BY_CHANCE.search(name))
        with self.superuser().session() as session:
            for (found,) in session.rows("SELECT datname FROM pg_database WHERE NOT datistemplate"):
                if found in names or found.startswith(ours):
                    with suppress(LocktenderError):
                        session.execute(f"DROP DATABASE {identifier(found)} WITH (FORCE)")

    def owned(self, name: str | None = None) -> PostgresDatabase:
        """A new empty database, connected to as its owner: may create databases, is no superuser."""
        return PostgresDatabase(parse_database_url(self.url(self.create(name))))


def start(binaries: Path, major: int, **settings: str) -> Iterator[Server]:
    with ThrowawayServer(binaries=binaries, settings={**FAST, **MORE, **settings}, port=free_port()) as process:
        server = Server(process, major)
        with server.superuser().session() as session:
            session.execute(f"CREATE ROLE app_owner LOGIN CREATEDB PASSWORD '{quickly_proved(OWNER_PASSWORD)}'")
            session.execute(f"ALTER ROLE postgres PASSWORD '{quickly_proved(process.password)}'")
        server.superuser("template1").connect().close()  # leaves its cache there, which copies begin with
        SERVERS.append(server)
        try:
            yield server
        finally:
            SERVERS.remove(server)


@pytest.fixture(scope="session")
def server18() -> Iterator[Server]:
    yield from start(embedded_binaries(), 18)


@pytest.fixture(scope="session")
def server15() -> Iterator[Server]:
    if not DEBIAN_BINARIES.exists():
        missing("PostgreSQL 15 from Debian")
    yield from start(DEBIAN_BINARIES, 15)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is tried on PostgreSQL 15 as well as on 18 is so in the campaign, and in every run if it is marked so."""
    for item in items:
        asked = isinstance(item, pytest.Function) and hasattr(item, "callspec") and item.callspec.params.get("server")
        elsewhere = any(map(item.get_closest_marker, ("each_version", "prisma", "containers")))
        if asked == 15 and not elsewhere:
            item.add_marker("campaign")


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def server(request: pytest.FixtureRequest) -> Server:
    """Both servers, one after the other; see above for when."""
    server: Server = request.getfixturevalue(f"server{request.param}")
    return server


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[None]:
    """What tests have forked the program from ends with them."""
    yield
    forked.end()


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Databases that a test has made go with it: those of a run would be 10 GB, for the disk and for autovacuum.

    What fixtures of a module or a session have made was there before.
    """
    before = [(server, len(server.made)) for server in SERVERS]
    yield
    for server in SERVERS:
        stood = next((count for each, count in before if each is server), 0)
        if made := server.made[stood:]:
            del server.made[stood:]
            with suppress(LocktenderError):  # of a server that the test has ended
                server.drop(made)


@pytest.fixture
def database(server: Server) -> PostgresDatabase:
    """A new empty database on each server, connected to as its owner (no superuser)."""
    return server.owned()


@pytest.fixture(scope="session")
def trials() -> Iterator[Kept]:
    """Where migrations are tried out, one server per worker."""
    from operations.adapters.trials import OwnServer

    from .trials import Kept

    with OwnServer().open([]) as trial:
        yield Kept(trial)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd on the loopback interface, one per worker."""
    from .sshd import running

    with running(tmp_path_factory.mktemp("sshd")) as started:
        yield started


@pytest.fixture(scope="session")
def ledger_url(server18: Server) -> Secret:
    """Of the database of ``ledger``."""
    return server18.url(server18.create())


@pytest.fixture(scope="session")
def kept_ledger(ledger_url: Secret) -> Iterator[PostgresLedger]:
    """One per worker: to make one takes longer than most tests with it."""
    from .ledgers import opened

    with opened(ledger_url) as made:
        yield made


@pytest.fixture
def ledger(kept_ledger: PostgresLedger) -> PostgresLedger:
    """An empty ledger."""
    from .ledgers import emptied

    return emptied(kept_ledger)


@pytest.fixture
def documented(request: pytest.FixtureRequest) -> list[Snippet]:
    """What the documents say that this test runs."""
    from .documents.snippets import ROOT, marked

    test = f"{request.path.relative_to(ROOT)}::{request.function.__name__}"
    found = marked(test)
    assert found, f"no document says <!-- run by: {test} -->"
    return found


@pytest.fixture
def inline(request: pytest.FixtureRequest) -> list[str]:
    """What the documents say in running text that this test types."""
    from .documents.inline import typed_by
    from .documents.snippets import ROOT

    return typed_by(f"{request.path.relative_to(ROOT)}::{request.function.__name__}")


@pytest.fixture
def host() -> LocalHost:
    return LocalHost()


@pytest.fixture
def environment_of(tmp_path: Path) -> Callable[..., Environment]:
    """Settings for a database, with its migrations and backups under the test's own directory."""

    def make(url: Secret, **changes: object) -> Environment:
        values: dict[str, object] = {
            "name": "local",
            "database_url": url,
            "migrations": str(tmp_path / "migrations"),
            "backup_dir": str(tmp_path / "backups"),
            **changes,
        }
        return Environment(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def context_of(environment_of: Callable[..., Environment], host: LocalHost) -> Callable[..., Context]:
    """A context for a database URL; further arguments are settings of the environment."""

    def make(url: Secret, **changes: object) -> Context:
        return Context(
            environment=environment_of(url, **changes),
            host=host,
            database=PostgresDatabase(parse_database_url(url)),
            clock=SystemClock(),
            processes=LocalProcesses(),
            client_directories=(str(embedded_binaries()),),
            actor="tester",
        )

    return make


@pytest.fixture
def context(server: Server, context_of: Callable[..., Context]) -> Context:
    """A context for a new empty database on each server, as its owner (no superuser)."""
    return context_of(server.url(server.create()))
