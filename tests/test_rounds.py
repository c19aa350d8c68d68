"""What is done in rounds goes on whatever goes wrong in one of them, and ends when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from bot import rounds as module
from bot.github import GithubAway
from bot.rounds import Rounds
from bot.slack import SlackBusy
from operations.errors import DatabaseUnreachable

from .slack.stage import PATIENCE, eventually

FOR_EVER = 10**6
ERRORS = (KeyError("users"), ValueError("secret"), DatabaseUnreachable("It is out of reach."), RuntimeError())


def alive(rounds: Rounds) -> bool:
    return any(thread.is_alive() for thread in rounds._threads)


def test_a_round_that_fails_is_followed_by_the_next_one_whatever_the_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    left, came = list(ERRORS), threading.Event()

    def once() -> None:
        if left:
            raise left.pop(0)
        came.set()

    rounds = Rounds("chores", once, 0.001)
    rounds.start()
    try:
        assert came.wait(PATIENCE)
        assert alive(rounds)
    finally:
        rounds.stop()
    told = [record for record in caplog.records if record.name == "locktender.bot"]
    assert [record.levelname for record in told] == ["ERROR", "ERROR", "WARNING", "ERROR"]
    assert [bool(record.exc_info) for record in told] == [True, True, False, True]


@pytest.mark.parametrize("error", [*ERRORS, SlackBusy("chat.update", 0.0), GithubAway("It is away.")])
def test_after_each_failure_in_a_row_it_waits_longer_up_to_a_bound_and_then_as_ever(error: Exception) -> None:
    waits: list[float] = []
    results: list[Callable[[], bool]] = [*[_raising(error)] * 6, lambda: False, _raising(error)]

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return not results

    rounds = Rounds("chores", lambda: results.pop(0)(), 0.5, _stopping=Watched())
    rounds.start()
    eventually(lambda: not alive(rounds))
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 0.5, 1.0]


@pytest.mark.parametrize("busy", [SlackBusy("chat.update", 40.0), GithubAway("Too many calls.", 40.0)])
def test_who_was_asked_too_often_is_left_alone_for_as_long_as_it_says(busy: Exception) -> None:
    waits: list[float] = []

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return len(waits) > 1

    rounds = Rounds("chores", _raising(busy), 0.5, _stopping=Watched())
    rounds.start()
    eventually(lambda: not alive(rounds))
    assert waits == [0.0, 40.0]


def test_where_there_is_more_to_do_the_next_round_follows_at_once() -> None:
    left = list(range(100))
    rounds = Rounds("chores", lambda: bool(left and left.pop() + 1), FOR_EVER)
    rounds.start()
    try:
        eventually(lambda: not left)
    finally:
        rounds.stop()


def test_it_ends_at_once_where_nothing_is_under_way() -> None:
    rounds = Rounds("chores", lambda: False, FOR_EVER, threads=3)
    rounds.start()
    rounds.stop()
    assert not alive(rounds)


def test_what_is_under_way_is_finished_before_it_ends() -> None:
    begun, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    def once() -> None:
        begun.set()
        go_on.wait(PATIENCE)
        finished.set()

    rounds = Rounds("chores", once, FOR_EVER)
    rounds.start()
    assert begun.wait(PATIENCE)
    stopping = threading.Thread(target=rounds.stop)
    stopping.start()
    eventually(rounds._stopping.is_set)
    assert not finished.is_set()
    go_on.set()
    stopping.join(PATIENCE)
    assert finished.is_set()
    assert not alive(rounds)


def _raising(error: Exception) -> Callable[[], bool]:
    def once() -> bool:
        raise error

    return once
