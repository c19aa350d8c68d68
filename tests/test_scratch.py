"""Databases that a run makes and drops again, and other runs that find them: on the same machine, and elsewhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import backup, scratch
from operations.apply import apply
from operations.context import Context
from operations.errors import LockHeld
from operations.health import check
from operations.layout import scratch_prefix
from operations.rehearse import rehearse
from operations.restore import restore
from operations.rollback import rollback
from operations.settings import Backups

from .conftest import Server
from .folders import write_migration
from .stalling import Relay
from .test_deploy import SHOP
from .test_vanished import through
from .test_way_back import when

Act = Callable[[Context], bool]
VOLUME = "/proc/self/cwd/backups"
"""Of each process its own: as in containers that have the same path, and each a volume of its own there."""


def rolled_back(context: Context) -> bool:
    """By a restore: a dropped column does not come back otherwise."""
    apply(context)
    return rollback(context).outcome == "rolled_back"


MAKERS: dict[str, tuple[Act, str]] = {
    "rehearse": (lambda context: rehearse(context).ok, "rehearsing"),
    "verify": (lambda context: backup.verify(context, "latest", test_restore=True).verified, "comparing"),
    "backup": (lambda context: backup.create(context, verify="L2").verified, "comparing"),
    "restore": (lambda context: restore(context, "latest").validation.ok, "comparing"),
    "rollback": (rolled_back, "comparing"),
}
"""Whatever makes such databases: whether it has done its work, and what it reports once one is there."""


def makers(*quick: str) -> list[object]:
    return [name if name in quick else pytest.param(name, marks=pytest.mark.campaign) for name in MAKERS]


class Run:
    """A process of its own, which waits when it reports that label, and ends with 0 if ``act`` says so."""

    def __init__(self, context: Context, act: Act, label: str = "") -> None:
        self._reached, self._go = os.pipe(), os.pipe()
        self.child = os.fork()
        if self.child:
            os.close(self._reached[1])
            return
        code = 1
        try:
            code = 0 if act(when(context, label, self._wait) if label else context) else 2
        finally:
            os._exit(code)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            self.kill()
        for end in (self._reached[0], *self._go):
            os.close(end)

    def reaches(self) -> Run:
        """Until it has reported that."""
        assert os.read(self._reached[0], 1), "it ended before"
        return self

    def goes_on(self) -> int:
        """To its end; the exit code."""
        os.write(self._go[1], b".")
        return self.ends()

    def ends(self) -> int:
        """By itself; the exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])

    def kill(self) -> None:
        """It dies where it is."""
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

    def _wait(self) -> None:
        os.write(self._reached[1], b".")
        os.read(self._go[0], 1)


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """This process is in one container and, once that is called, in another; what it has begun before stays there."""
    for place in ("one", "another"):
        (tmp_path / place / "backups").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    return lambda: monkeypatch.chdir(tmp_path / "another")


@pytest.fixture
def shop(server: Server, context_of: Callable[..., Context], move: object) -> Context:
    """With a backup, and a migration to come."""
    never = Backups(test_restore="never")
    context = context_of(server.url(server.create()), backup_dir=VOLUME, backups=never, advisory_lock_timeout=0.0)
    write_migration(context, "1_init", SHOP)
    apply(context)
    backup.create(context)
    write_migration(context, "2_less", 'ALTER TABLE "Product" DROP COLUMN price;')
    return context


def next_run(context: Context) -> None:
    """Whichever it is, it settles first; this one has nothing else to do, or finds the migration lock held then."""
    with suppress(LockHeld):
        assert apply(context, to="1_init").outcome == "nothing_to_do"


def databases(context: Context) -> list[str]:
    prefix = scratch_prefix(context.environment, context.database.target.database)
    with context.database.session("postgres") as session:
        return [
            name
            for (name,) in session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,))
        ]


def pids(context: Context, name: str) -> list[int]:
    """Server processes of those who have it in use."""
    with context.database.session("postgres") as session:
        return [pid for pid, _, _ in scratch.users(session, [name])]


def until(true: Callable[[], object]) -> None:
    patience = time.monotonic() + 60
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.02)


@pytest.mark.parametrize("maker", makers("rehearse", "rollback"))
def test_what_a_run_elsewhere_is_using_is_left_to_it(maker: str, shop: Context, move: Callable[[], None]) -> None:
    with Run(shop, *MAKERS[maker]) as other:
        other.reaches()
        move()
        (name,) = databases(shop)
        assert found_by_check(shop) == "none"
        next_run(shop)
        assert databases(shop) == [name]
        assert other.goes_on() == 0
    assert databases(shop) == []


def found_by_check(context: Context) -> str:
    (one,) = (found.detail for found in check(context).checks if found.name == "scratch_databases")
    return one


@contextmanager
def slow_to_make(server: Server) -> Iterator[tuple[Callable[[], bool], Callable[[], object]]]:
    """To make a database takes as long as we like: whether somebody is at it, and what lets it be done."""
    waiting = "SELECT FROM pg_stat_activity WHERE starts_with(query, 'CREATE DATABASE') AND wait_event_type = 'Lock'"
    with server.superuser().session() as holding, server.superuser().session() as looking:
        holding.execute("BEGIN")
        holding.execute("LOCK TABLE pg_database IN SHARE MODE")
        yield lambda: bool(looking.rows(waiting)), lambda: holding.execute("ROLLBACK")


def test_what_a_run_elsewhere_is_making_is_left_to_it(server: Server, shop: Context, move: Callable[[], None]) -> None:
    with slow_to_make(server) as (making, let), Run(shop, MAKERS["verify"][0]) as other:
        until(making)
        move()
        next_run(shop)
        assert making()
        let()
        assert other.ends() == 0
    assert databases(shop) == []


def test_what_a_dead_run_is_making_is_not_left(server: Server, shop: Context) -> None:
    """The server goes on with it, in a session that does not notice that its client has died."""
    with slow_to_make(server) as (making, _), Run(shop, MAKERS["verify"][0]) as dead:
        until(making)
        dead.kill()
        assert making()
        next_run(shop)
        assert not making()
    assert databases(shop) == []


@pytest.mark.campaign
@pytest.mark.parametrize("maker", MAKERS)
def test_a_killed_run_leaves_none_behind_after_the_next(maker: str, shop: Context) -> None:
    with Run(shop, *MAKERS[maker]) as dead:
        dead.reaches().kill()
    next_run(shop)
    assert databases(shop) == []


def test_nor_does_one_whose_server_does_not_know_yet_that_it_died(server: Server, shop: Context) -> None:
    """Its line fell silent, so that it seems to be using it as before."""
    relay = Relay(server.process.port)
    with Run(through(shop, relay, shop.host), *MAKERS["rehearse"]) as dead:  # type: ignore[arg-type]
        dead.reaches()
        relay.stall()
        dead.kill()
    (name,) = databases(shop)
    assert pids(shop, name)
    next_run(shop)
    assert (databases(shop), pids(shop, name)) == ([], [])
    relay.close()


def test_one_that_died_elsewhere_leaves_none_behind_once_the_server_knows(
    shop: Context, move: Callable[[], None]
) -> None:
    with Run(shop, *MAKERS["rehearse"]) as dead:
        dead.reaches().kill()
    move()
    (name,) = databases(shop)
    until(lambda: not pids(shop, name))
    assert found_by_check(shop) == name
    next_run(shop)
    assert databases(shop) == []


def test_a_lost_connection_does_not_give_it_away(
    server: Server, shop: Context, move: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "BEAT", 0.1)
    with Run(shop, *MAKERS["rehearse"]) as other:
        other.reaches()
        (name,) = databases(shop)
        (lost,) = pids(shop, name)
        with server.superuser().session() as session:
            session.rows("SELECT pg_terminate_backend(%s)", (lost,))
        until(lambda: pids(shop, name) not in ([], [lost]))
        move()
        next_run(shop)
        assert databases(shop) == [name]
        assert other.goes_on() == 0


@pytest.mark.parametrize("maker", makers("rehearse"))
def test_nobody_is_kept_from_making_databases_meanwhile(maker: str, server: Server, shop: Context) -> None:
    """Where the live database is the one to connect to for maintenance, template1 would be next."""
    name = shop.database.target.database
    itself = replace(shop, environment=replace(shop.environment, maintenance_database=name))
    with Run(itself, *MAKERS[maker]) as other:
        other.reaches()
        server.create()
        assert other.goes_on() == 0
