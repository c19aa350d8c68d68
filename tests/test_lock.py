"""The environment's lock: one owner, dead ones found, lost ones noticed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from operations import lock
from operations.adapters.processes import LocalProcesses
from operations.context import Context
from operations.errors import LockHeld, LockLost
from operations.journal import Journal
from operations.layout import state_directory
from operations.secret import Secret


@pytest.fixture
def context(context_of: Callable[..., Context]) -> Context:
    """No database is asked here."""
    return context_of(Secret("postgresql://nobody@127.0.0.1:1/none"))


class Elsewhere(LocalProcesses):
    """A process of another machine."""

    def identity(self) -> str:
        return "elsewhere|1|1"


def test_second_owner_is_refused_and_told_who_holds_it(context: Context) -> None:
    with lock.held(context, "deploy", "run-1"):
        with (
            pytest.raises(LockHeld, match="deploy of tester, run run-1") as caught,
            lock.held(context, "backup", "run-2"),
        ):
            pytest.fail("two owners")
        assert caught.value.prisma_code == "P1002"
    with lock.held(context, "backup", "run-2") as second:
        assert second.owner.token == 2


def test_of_many_at_once_exactly_one_gets_it(context: Context) -> None:
    won: list[int] = []
    release = threading.Event()
    tried = threading.Barrier(12)

    def compete(number: int) -> None:
        tried.wait()
        try:
            with lock.held(context, "deploy", f"run-{number}"):
                won.append(number)
                release.wait(10)
        except LockHeld:
            losers.append(number)
            if len(losers) == 11:
                release.set()

    losers: list[int] = []
    threads = [threading.Thread(target=compete, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(losers) == 11


def test_a_dead_owner_of_this_machine_is_replaced_at_once(context: Context) -> None:
    script = "from operations.adapters.processes import LocalProcesses; print(LocalProcesses().identity())"
    dead = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()

    class Dead(LocalProcesses):
        def identity(self) -> str:
            return dead

    with lock.held(replace(context, processes=Dead()), "deploy", "run-1") as lost:
        with lock.held(context, "deploy", "run-2") as winner:
            assert winner.owner.token == 2
            with pytest.raises(LockLost, match="run-2"):
                lost.check()
            winner.check()
        with pytest.raises(LockLost):
            lost.check()


def test_an_owner_elsewhere_is_dead_only_without_heartbeat(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with lock.held(replace(context, processes=Elsewhere()), "deploy", "run-1"):
        with pytest.raises(LockHeld), lock.held(context, "deploy", "run-2"):
            pytest.fail("its heart beats")
        monkeypatch.setattr(lock, "PRESUMED_DEAD", 0.0)
        with lock.held(context, "deploy", "run-3") as winner:
            winner.check()


def test_losing_the_lock_does_not_remove_the_new_owners(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PRESUMED_DEAD", 0.0)
    first = lock.held(replace(context, processes=Elsewhere()), "deploy", "run-1")
    first.__enter__()
    with lock.held(context, "deploy", "run-2") as winner:
        first.__exit__(None, None, None)
        winner.check()
    assert lock.current_owner(context) is None
    assert context.host.list(state_directory(context.environment)) == ("fence",)


def test_a_lock_whose_release_was_cut_short_does_not_stay(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    context.host.make_directory(f"{state_directory(context.environment)}/lock")
    with pytest.raises(LockHeld), lock.held(context, "deploy", "run-1"):
        pytest.fail("it may still be being removed")
    monkeypatch.setattr(lock, "PRESUMED_DEAD", 0.0)
    with lock.held(context, "deploy", "run-2") as winner:
        winner.check()


@pytest.mark.parametrize("written", [b"", b'{"run', b"[]", b"5", b'{"run_id": "x"}'])
def test_an_owner_that_cannot_be_read_holds_the_lock_as_long_as_its_heart_beats(
    context: Context, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    """Found by hand: every command ended in an internal error, for ever."""
    path = f"{state_directory(context.environment)}/lock"
    context.host.make_directory(path)
    context.host.write(f"{path}/owner.json", written)
    context.host.write(f"{path}/heartbeat", b"")
    assert lock.at_work(context) == lock.UNREADABLE
    with pytest.raises(LockHeld, match="cannot be read"), lock.held(context, "deploy", "run-1"):
        pytest.fail("two owners")
    monkeypatch.setattr(lock, "PRESUMED_DEAD", -1.0)
    with lock.held(context, "deploy", "run-1") as mine:
        mine.check()


def test_an_owner_of_a_newer_version_may_tell_more(context: Context) -> None:
    with lock.held(context, "deploy", "run-1") as mine:
        path = f"{state_directory(context.environment)}/lock/owner.json"
        told = {**json.loads(context.host.read(path)), "colour": "red"}
        context.host.write(path, json.dumps(told).encode())
        assert lock.current_owner(context) == mine.owner


def test_tokens_never_fall_back_behind_those_of_the_journal(context: Context) -> None:
    for number in range(1, 4):
        with lock.held(context, "deploy", f"run-{number}") as mine:
            Journal.open(context, mine, "deploy")
    context.host.remove(f"{state_directory(context.environment)}/fence")
    with lock.held(context, "deploy", "run-4") as mine:
        assert mine.owner.token == 4
