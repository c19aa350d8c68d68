"""What Prometheus is told of a look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from operations.checks.model import Status
from operations.monitor import Look
from operations.monitoring.decide import RANK
from operations.monitoring.model import Found, State, found_in


class Sample(Struct, frozen=True):
    """One number; samples of a name follow each other."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = {}


NAMES = {
    "locktender_check_status": "How a check ended: 0 ok, 1 warn, 2 fail.",
    "locktender_check_value": "What a check has measured: seconds, bytes, a share of 1, or a count.",
    "locktender_alert_standing": "Trouble that was told, or is held back, and is not over: 1 warn, 2 fail.",
    "locktender_alerts_undelivered": "Messages that could not be delivered yet.",
    "locktender_alerts_held": "Alerts that a freeze holds back.",
    "locktender_look_timestamp_seconds": "When the last look ended, in seconds since the epoch.",
    "locktender_look_duration_seconds": "How long it took.",
}


class Board(Struct, frozen=True):
    """The last look at one environment, in numbers; times in seconds."""

    at: float
    seconds: float
    found: tuple[Found, ...]
    standing: Mapping[str, Status]
    undelivered: int
    held: int = 0


def seen(look: Look) -> Board:
    """By who has just looked."""
    return Board(look.at, look.seconds, found_in(look.checks), look.standing, look.undelivered, look.held)


def remembered(state: State) -> Board:
    """By whoever it was."""
    standing = {name: one.announced for name, one in state.standing.items() if one.announced != "ok"}
    return Board(state.looked_at, state.seconds, state.found, standing, len(state.outbox), state.held_back)


def samples(board: Board) -> Iterator[Sample]:
    """All of them; a check without a number has no value, and who never looked has nothing to tell."""

    def sample(name: str, value: float, **labels: str) -> Sample:
        return Sample(name, NAMES[name], value, labels)

    if not board.at:
        return
    for one in board.found:
        yield sample("locktender_check_status", RANK[one.status], check=one.check, subject=one.subject)
    for one in board.found:
        if one.value is not None:
            yield sample("locktender_check_value", one.value, check=one.check, subject=one.subject)
    for name, status in board.standing.items():
        yield sample("locktender_alert_standing", RANK[status], check=name)
    yield sample("locktender_alerts_undelivered", board.undelivered)
    yield sample("locktender_alerts_held", board.held)
    yield sample("locktender_look_timestamp_seconds", board.at)
    yield sample("locktender_look_duration_seconds", board.seconds)
