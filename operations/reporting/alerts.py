"""Alerts as a report tells them: from the history of looks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from operations.reporting.model import Alert

GRAVITY = {"ok": 0, "warn": 1, "fail": 2}


class Event(Struct, frozen=True):
    """One of a look, as its line has it."""

    kind: str
    check: str
    status: str
    since: str
    held: bool


def alerts_of(looks: Iterable[Mapping[str, Any]]) -> tuple[Alert, ...]:
    """Each trouble, newest first; ``looks`` come oldest first.

    What began before the history does is known by when the recovery says that it began.
    """
    standing: dict[str, Alert] = {}
    over: list[Alert] = []
    for look in looks:
        held = look.get("held") or ()
        for kind, check, status, since in ((*event, "", "", "", "")[:4] for event in look.get("events") or ()):
            event = Event(kind, check, status, since, check in held)
            _follow(str(look.get("at", "")), event, standing, over)
    return tuple(sorted((*over, *standing.values()), key=lambda one: one.at, reverse=True))


def _follow(at: str, event: Event, standing: dict[str, Alert], over: list[Alert]) -> None:
    known = standing.get(event.check)
    if event.kind == "recovered":
        began = known or Alert(event.check, "warn", event.since or at)
        over.append(replace(began, recovered_at=at, seconds=max(0.0, _seconds(at) - _seconds(began.at))))
        standing.pop(event.check, None)
    elif known is None:
        began_at = at if event.kind == "raised" else event.since or at
        standing[event.check] = Alert(event.check, event.status, began_at, held=event.held and event.kind == "raised")
    elif GRAVITY.get(event.status, 0) > GRAVITY.get(known.status, 0):
        standing[event.check] = replace(known, status=event.status)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
