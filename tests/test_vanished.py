"""A machine of ours that vanishes without a word: nobody tells the server, and still it lets go of people's tables."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from operations import backup_dump
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.advisory import STEADY
from operations.backup import create
from operations.backups.rows import FIXED
from operations.context import Context
from operations.database_url import parse_database_url
from operations.deploy import deploy
from operations.ports import Completed
from operations.rollback import rollback
from operations.secret import Secret
from operations.settings import Backups

from .conftest import Server
from .folders import write_migration
from .stalling import Relay
from .test_deploy import SHOP, state
from .test_settling import forked

LIMIT = "idle_in_transaction_session_timeout"
HELD = """
    SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.relation = '"Product"'::regclass AND a.application_name LIKE 'locktender%%' AND l.mode = %s
"""
ContextOf = Callable[..., Context]


@pytest.fixture
def relay(server15: Server) -> Iterator[Relay]:
    relay = Relay(server15.process.port)
    yield relay
    relay.close()


@pytest.fixture
def context(server15: Server, context_of: ContextOf) -> Context:
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    write_migration(context, "1_init", SHOP)
    deploy(context)
    return context


def through(context: Context, relay: Relay, host: LocalHost) -> Context:
    """The same by way of the relay, its files by ``host``."""
    url = context.environment.database_url.reveal()
    by_relay = Secret(url.replace(f":{urlsplit(url).port}/", f":{relay.port}/"))
    environment = replace(context.environment, database_url=by_relay)
    return replace(context, environment=environment, host=host, database=PostgresDatabase(parse_database_url(by_relay)))


class StopsBeforeCommit(LocalHost):
    """Says when the run is about to commit, and goes no further."""

    def __init__(self, reached: Path) -> None:
        self.reached = reached

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        if b'"committing"' in data:
            self.reached.touch()
            signal.pause()
        super().append(path, data, sync=sync)


class StopsAtTheDump(LocalHost):
    """Says when pg_dump would begin, and goes no further, or as far as ``until`` says."""

    def __init__(self, reached: Path, until: Callable[[], object] = signal.pause) -> None:
        self.reached, self.until = reached, until

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        if any(word.startswith("--snapshot=") for word in argv):
            self.reached.touch()
            self.until()
        return super().run(argv, env=env, timeout=timeout, on_line=on_line)


class AsksWhileItReads(LocalHost):
    """Notes what is read while a session of ours is idle in a transaction."""

    def __init__(self, context: Context) -> None:
        self.context, self.read_within = context, set[str]()
        self.reads = 0

    def read(self, path: str) -> bytes:
        self.reads += 1
        with self.context.database.session(purpose="look") as session:
            if session.rows(
                "SELECT FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
                " AND application_name LIKE 'locktender%%'"
            ):
                self.read_within.add(Path(path).name)
        return super().read(path)


def vanish(relay: Relay, child: int, reached: Path) -> None:
    until = time.monotonic() + 120
    while not reached.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    relay.stall()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def await_free(context: Context, mode: str) -> None:
    until = time.monotonic() + 120
    with context.database.session() as session:
        while session.rows(HELD, (mode,)):
            assert time.monotonic() < until
            time.sleep(0.1)


def test_in_the_middle_of_a_migrations_transaction(
    context: Context, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STEADY[LIMIT] == "60s"
    monkeypatch.setitem(STEADY, LIMIT, "6s")
    old = state(context)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    host = StopsBeforeCommit(tmp_path / "reached")
    vanish(relay, forked(lambda: deploy(through(context, relay, host))), host.reached)
    await_free(context, "AccessExclusiveLock")
    assert state(context) == old


def test_in_the_middle_of_a_backup(
    context: Context, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FIXED[LIMIT] == "5min"
    assert backup_dump.BEAT * 3 < 300
    monkeypatch.setitem(FIXED, LIMIT, "6s")
    host = StopsAtTheDump(tmp_path / "reached")
    vanish(relay, forked(lambda: create(through(context, relay, host))), host.reached)
    await_free(context, "AccessShareLock")


def test_a_dump_that_takes_long_keeps_its_snapshot(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FIXED, LIMIT, "7s")
    monkeypatch.setattr(backup_dump, "BEAT", 0.5)

    def wait() -> None:
        old = "SELECT FROM pg_stat_activity WHERE application_name = 'locktender backup snapshot'"
        late = f"{old} AND xact_start < clock_timestamp() - interval '8 seconds'"
        with context.database.session() as session:
            while session.rows(old) and not session.rows(late):
                time.sleep(0.1)

    assert create(replace(context, host=StopsAtTheDump(tmp_path / "reached", wait))).rows > 1000


def test_a_way_back_reads_no_journal_and_no_manifest_while_its_transaction_is_open(context: Context) -> None:
    """However slow the host is, the server need not wait for us there."""
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    deploy(context)
    host = AsksWhileItReads(context)
    result = rollback(replace(context, host=host))
    assert result.rollback is not None
    assert (result.rollback.method, result.rollback.lossless) == ("down", True)
    assert host.reads > 2
    assert not {name for name in host.read_within if name.endswith((".jsonl", "manifest.json"))}


def test_the_servers_end_of_a_connection_is_watched(context: Context) -> None:
    with context.database.session() as session:
        session.reset()
        found = [session.rows(f"SHOW tcp_keepalives_{name}")[0][0] for name in ("idle", "interval", "count")]
    assert found == ["15", "5", "3"]
