"""The swap on real servers: under load, against everything that could stand in its way, and when something dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import swap, writes
from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.adapters.throwaway import FAST, ThrowawayServer, embedded_binaries
from operations.context import Context
from operations.database_url import ConnectionParameters, parse_database_url
from operations.errors import (
    ConfigurationError,
    ConnectionLost,
    DataWouldBeLost,
    LocktenderError,
    NotFound,
    PrivilegeMissing,
    Refused,
)
from operations.ports import Session
from operations.secret import Secret

from .conftest import DEBIAN_BINARIES, MORE, OWNER_PASSWORD, Server
from .ports import free_port

ContextOf = Callable[..., Context]
WHO = "SELECT name FROM who"


@pytest.fixture
def live(server: Server) -> str:
    """The live database's name; beside it is ``<name>_new``. Each holds a table that says which it is."""
    name = f"live_{uuid.uuid4().hex[:8]}"
    for each, content in ((name, "old"), (f"{name}_new", "new")):
        server.create(each)
        fill(server.superuser(each), content)
    return name


def fill(database: PostgresDatabase, content: str) -> None:
    with database.session() as session:
        session.script(f"CREATE TABLE who AS SELECT '{content}' AS name; GRANT ALL ON who TO PUBLIC")


@pytest.fixture
def context(server: Server, live: str, context_of: ContextOf) -> Context:
    return as_owner(server, live, context_of)


@pytest.fixture(params=["owner", "superuser"])
def either(request: pytest.FixtureRequest, server: Server, live: str, context_of: ContextOf) -> Context:
    return as_owner(server, live, context_of) if request.param == "owner" else as_superuser(server, live, context_of)


def as_owner(server: Server, live: str, context_of: ContextOf) -> Context:
    return context_of(server.url(live))


def as_superuser(server: Server, live: str, context_of: ContextOf) -> Context:
    return context_of(server.process.url(live))


def content(context: Context, name: str | None = None) -> str:
    with context.database.session(name) as session:
        return str(session.rows(WHO)[0][0])


def databases(context: Context) -> set[str]:
    live = context.database.target.database
    with context.database.session("postgres") as session:
        rows = session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (live,))
        return {name.removeprefix(live) for (name,) in rows}


def test_both_change_names_and_can_change_back(either: Context, live: str) -> None:
    swap.refuse_hindered_swap(either)
    assert 0 <= swap.swap(either, f"{live}_new", f"{live}_kept") < 10
    assert (content(either), content(either, f"{live}_kept")) == ("new", "old")
    swap.swap(either, f"{live}_kept", f"{live}_new")
    assert (content(either), content(either, f"{live}_new")) == ("old", "new")
    assert databases(either) == {"", "_new"}


def test_names_of_any_kind(server: Server, context_of: ContextOf) -> None:
    name = f"{uuid.uuid4().hex[:4]} \"Ünï' \\%"
    kept = name + "x" * (63 - len(name.encode()))
    for each, what in ((name, "old"), (f"{name}2", "new")):
        server.create(each)
        fill(server.superuser(each), what)
    context = context_of(server.url(name))
    swap.refuse_hindered_swap(context)
    swap.swap(context, f"{name}2", kept)
    assert (content(context), content(context, kept)) == ("new", "old")


def test_everyone_is_disconnected_ourselves_too(context: Context, live: str) -> None:
    idle, busy = context.database.connect(), context.database.connect()
    busy.script("BEGIN; LOCK TABLE who")
    with context.database.session(f"{live}_new"):
        swap.swap(context, f"{live}_new", f"{live}_kept")
    for session in (idle, busy):
        with pytest.raises(LocktenderError):
            session.rows("SELECT 1")
        session.close()
    assert content(context) == "new"


class Client(threading.Thread):
    """Connects again and again, and notes what it found; ``refused`` counts what went wrong, by kind."""

    def __init__(self, database: PostgresDatabase, stop: threading.Event, queries: int) -> None:
        super().__init__()
        self.database, self.stop, self.queries = database, stop, queries
        self.seen: list[str] = []
        self.refused: list[type] = []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                with self.database.session() as session:
                    for _ in range(self.queries):
                        self.seen.append(session.rows(WHO)[0][0])
            except LocktenderError as error:
                self.refused.append(type(error))


@contextmanager
def load(database: PostgresDatabase, clients: int) -> Iterator[list[Client]]:
    stop = threading.Event()
    found = [Client(database, stop, queries) for queries in range(clients)]
    for client in found:
        client.start()
    try:
        wait_until(lambda: all(client.seen for client in found[1:]))
        yield found
    finally:
        stop.set()
        for client in found:
            client.join()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


def test_under_load_the_name_answers_with_one_or_the_other(either: Context, live: str) -> None:
    incoming, kept = f"{live}_new", f"{live}_kept"
    with load(either.database, clients=6) as clients:
        for expected in ("new", "old", "new"):
            swap.swap(either, incoming, kept)
            incoming, kept = kept, incoming
            assert content(either) == expected
            marks = [len(client.seen) for client in clients[1:]]
            wait_until(lambda: all(len(c.seen) > mark + 3 for c, mark in zip(clients[1:], marks, strict=True)))  # noqa: B023
            assert {client.seen[-1] for client in clients[1:]} == {expected}


def test_guard_sees_everything_written_and_stops_the_swap(context: Context, live: str) -> None:
    with context.database.session() as session:
        expected = writes.counters(session)
    writer = context.database.connect()
    writer.execute("INSERT INTO who VALUES ('late')")
    with pytest.raises(DataWouldBeLost):
        swap.swap(context, f"{live}_new", f"{live}_kept", guard=writes.guard(expected))
    writer.close()
    assert databases(context) == {"", "_new"}
    assert content(context) == "old"


def test_a_client_that_falls_silent_does_not_keep_everyone_out_for_long(
    context: Context, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(swap.LIMITS, "idle_in_transaction_session_timeout", "300ms")

    def fall_silent(_: Session) -> None:
        with context.database.session() as session:  # waits for the swap's end, one way or the other
            assert session.rows(WHO) == [("old",)]

    with pytest.raises(ConnectionLost):
        swap.swap(context, f"{live}_new", f"{live}_before", guard=fall_silent)
    assert (content(context), content(context, f"{live}_new")) == ("old", "new")


def test_what_is_not_there_or_there_already(context: Context, live: str) -> None:
    with pytest.raises(NotFound, match="no_such"):
        swap.swap(context, "no_such", f"{live}_kept")
    with pytest.raises(Refused, match="already"):
        swap.swap(context, f"{live}_new", "postgres")
    assert content(context) == "old"


def test_without_a_live_database_the_new_one_gets_its_name(context: Context, live: str) -> None:
    with context.database.session("postgres") as session:
        session.execute(f"DROP DATABASE {live} WITH (FORCE)")
    swap.swap(context, f"{live}_new", f"{live}_kept")
    assert content(context) == "new"
    assert databases(context) == {""}


def test_missing_rights_are_found_beforehand(server: Server, live: str, context_of: ContextOf) -> None:
    with server.superuser().session() as session:
        session.execute(f"CREATE ROLE {live} LOGIN PASSWORD '{OWNER_PASSWORD.reveal()}'")
    context = context_of(server.url(live, user=live))
    with pytest.raises(PrivilegeMissing, match="CREATEDB") as caught:
        swap.refuse_hindered_swap(context)
    assert "belongs to app_owner" in str(caught.value)


def test_sessions_that_may_not_be_ended_are_found_and_harmless(
    server: Server, live: str, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "PASSING", 0.2)
    context = as_owner(server, live, context_of)
    with server.superuser(live).session(purpose="the boss") as boss:
        with pytest.raises(PrivilegeMissing, match=f"session {boss.pid} of postgres .*the boss"):
            swap.refuse_hindered_swap(context)
        with pytest.raises(PrivilegeMissing, match=f"session {boss.pid} of postgres"):
            swap.swap(context, f"{live}_new", f"{live}_kept")
        assert boss.rows("SELECT 1") == [(1,)]
    assert databases(context) == {"", "_new"}
    with server.superuser().session() as session:
        session.execute("GRANT pg_signal_backend TO app_owner")
        session.execute(f"CREATE ROLE {live} LOGIN PASSWORD '{OWNER_PASSWORD.reveal()}'")
    try:
        with context_of(server.url(live, user=live)).database.session():
            swap.refuse_hindered_swap(context)
            swap.swap(context, f"{live}_new", f"{live}_kept")
    finally:
        with server.superuser().session() as session:
            session.execute("REVOKE pg_signal_backend FROM app_owner")
    assert content(context) == "new"


@pytest.mark.parametrize(
    ("make", "undo", "what"),
    [
        (
            "BEGIN; CREATE TABLE x (); PREPARE TRANSACTION 'half'",
            "ROLLBACK PREPARED 'half'",
            "prepared transaction \\(half",
        ),
        (
            "SELECT pg_create_logical_replication_slot('{0}', 'test_decoding')",
            "SELECT pg_drop_replication_slot('{0}')",
            "slot live_",
        ),
        (
            "CREATE SUBSCRIPTION {0} CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)",
            "ALTER SUBSCRIPTION {0} SET (slot_name = NONE); DROP SUBSCRIPTION {0}",
            "subscription live_",
        ),
    ],
    ids=["prepared", "slot", "subscription"],
)
def test_what_binds_a_database_is_found(
    context: Context, server: Server, live: str, make: str, undo: str, what: str
) -> None:
    if "test_decoding" in make:
        make = make.replace("test_decoding", "pgoutput")
    swap.refuse_hindered_swap(context)
    with server.superuser(live).session() as session:
        for statement in make.format(live).split("; "):
            session.execute(statement)
    try:
        with pytest.raises(Refused, match=what):
            swap.refuse_hindered_swap(context)
    finally:
        with server.superuser(live).session() as session:
            for statement in undo.format(live).split("; "):
                session.execute(statement)
    swap.refuse_hindered_swap(context)


def test_a_maintenance_database_that_cannot_be_reached(server: Server, live: str, context_of: ContextOf) -> None:
    context = context_of(server.url(live), maintenance_database="no_such")
    with pytest.raises(ConfigurationError, match="no_such") as caught:
        swap.refuse_hindered_swap(context)
    assert "maintenance_database" in (caught.value.hint or "")
    closed = server.create(owner="postgres")
    with server.superuser().session() as session:
        session.execute(f"REVOKE CONNECT ON DATABASE {closed} FROM PUBLIC")
    with pytest.raises(ConfigurationError, match="permission denied"):
        swap.refuse_hindered_swap(context_of(server.url(live), maintenance_database=closed))


def test_a_live_database_called_as_the_maintenance_one(context: Context, live: str, context_of: ContextOf) -> None:
    same = context_of(context.environment.database_url, maintenance_database=live)
    swap.swap(same, f"{live}_new", f"{live}_kept")
    assert content(context) == "new"


SWAPPING = """
import sys
from operations import swap
from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.adapters.processes import LocalProcesses
from operations.context import Context
from operations.database_url import ConnectionParameters, parse_database_url
from operations.database_url import parse_database_url
from operations.secret import Secret
from operations.settings import Environment

url, one, other = Secret(sys.stdin.readline().strip()), *sys.argv[1:]
context = Context(
    Environment("local", url, "/nowhere", "/nowhere"), LocalHost(), PostgresDatabase(parse_database_url(url)),
    SystemClock(), LocalProcesses(),
)
print("begun", flush=True)
while True:
    swap.swap(context, one, other)
    one, other = other, one
"""


def swapping(url: Secret, live: str) -> subprocess.Popen[str]:
    """A process of its own that swaps to and fro for ever."""
    process = subprocess.Popen(
        [sys.executable, "-c", SWAPPING, f"{live}_new", f"{live}_kept"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    process.stdin.write(url.reveal() + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "begun\n"
    return process


def complete(context: Context, live: str) -> None:
    """The live name answers, and the other database has one of its two names."""
    wait_until(lambda: answers(context))
    others = databases(context) - {""}
    assert others in ({"_new"}, {"_kept"})
    found = {content(context), content(context, live + others.pop())}
    assert found == {"old", "new"}


def answers(context: Context) -> bool:
    try:
        return content(context) in ("old", "new")
    except LocktenderError:
        return False


@pytest.mark.parametrize("after", [0.0, 0.02, 0.13])
def test_killed_clients_leave_one_or_the_other(server: Server, live: str, context_of: ContextOf, after: float) -> None:
    context = as_owner(server, live, context_of)
    process = swapping(context.environment.database_url, live)
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe
        pipe.close()
    complete(context, live)
    others = databases(context) - {""}
    incoming = live + others.pop()
    swap.swap(context, incoming, f"{live}_again")
    assert databases(context) == {"", "_again"}


@pytest.fixture(scope="module", params=[15, 18], ids=["pg15", "pg18"])
def crashing(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of our own, safe against power loss, that can be crashed."""
    binaries = DEBIAN_BINARIES if request.param == 15 else embedded_binaries()
    durable = {**FAST, **MORE, "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    with ThrowawayServer(binaries=binaries, settings=durable, port=free_port()) as process:
        yield Server(process, request.param)


@pytest.mark.parametrize("after", [0.15])
def test_crashed_servers_hold_one_or_the_other(crashing: Server, context_of: ContextOf, after: float) -> None:
    live = f"live_{uuid.uuid4().hex[:8]}"
    for each, what in ((live, "old"), (f"{live}_new", "new")):
        crashing.create(each, owner="postgres")
        fill(crashing.superuser(each), what)
    context = as_superuser(crashing, live, context_of)
    with context.database.session() as session:
        before = writes.counters(session)
    process = swapping(context.environment.database_url, live)
    time.sleep(after)
    crashing.process.crash()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe
        pipe.close()
    crashing.process.launch()
    complete(context, live)
    with context.database.session() as session:
        assert writes.since(before, writes.counters(session), writes.Counters()).reason


class LosesTheConnection(PostgresDatabase):
    """Its connections to the maintenance database break at the first COMMIT, before or after the server has got it."""

    def __init__(self, parameters: ConnectionParameters, received: bool) -> None:
        super().__init__(parameters)
        self.received, self.broken = received, False

    def connect(self, database: str | None = None, *, purpose: str = "") -> PostgresSession:
        session = super().connect(database, purpose=purpose)
        if purpose == "swap" and not self.broken:
            self.broken = True
            setattr(session, "_commit", partial(self._break, session))  # noqa: B010
        return session

    def _break(self, session: PostgresSession) -> None:
        if self.received:
            session.execute("COMMIT")
        session.close()
        raise ConnectionLost("cut off")


@pytest.mark.parametrize("received", [True, False])
def test_a_connection_lost_during_commit_is_looked_after(context: Context, live: str, received: bool) -> None:
    url = context.environment.database_url
    cut = replace(context, database=LosesTheConnection(parse_database_url(url), received))
    if received:
        swap.swap(cut, f"{live}_new", f"{live}_kept")
    else:
        with pytest.raises(ConnectionLost):
            swap.swap(cut, f"{live}_new", f"{live}_kept")
    assert content(context) == ("new" if received else "old")
    assert databases(context) == ({"", "_kept"} if received else {"", "_new"})


def test_a_session_that_leaves_by_itself_does_not_hinder(server: Server, live: str, context_of: ContextOf) -> None:
    context = as_owner(server, live, context_of)
    boss = server.superuser(live).connect(purpose="monitoring")
    leaving = threading.Timer(0.4, boss.close)
    leaving.start()
    swap.refuse_hindered_swap(context)
    leaving.join()
    swap.swap(context, f"{live}_new", f"{live}_kept")
    assert content(context) == "new"
