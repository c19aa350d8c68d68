"""Alerts as a report tells them: from the history of looks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from operations.reporting.model import Alert

GRAVITY = {"ok": 0, "warn": 1, "fail": 2}


def alerts_of(looks: Iterable[Mapping[str, Any]]) -> tuple[Alert, ...]:
    """Each trouble that people were told of, newest first; ``looks`` come oldest first.

    What began before the history does is known by when the recovery says that it began.
    """
    standing: dict[str, Alert] = {}
    over: list[Alert] = []
    for look in looks:
        for event in look.get("events") or ():
            _follow(str(look.get("at", "")), event, standing, over)
    return tuple(sorted((*over, *standing.values()), key=lambda one: one.at, reverse=True))


def _follow(at: str, event: Sequence[str], standing: dict[str, Alert], over: list[Alert]) -> None:
    kind, check, status, since = (*event, "", "", "", "")[:4]
    known = standing.get(check)
    if kind == "recovered":
        began = known or Alert(check, "warn", since or at)
        over.append(replace(began, recovered_at=at, seconds=max(0.0, _seconds(at) - _seconds(began.at))))
        standing.pop(check, None)
    elif known is None:
        standing[check] = Alert(check, status, at if kind == "raised" else since or at)
    elif GRAVITY.get(status, 0) > GRAVITY.get(known.status, 0):
        standing[check] = replace(known, status=status)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
