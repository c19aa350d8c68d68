"""The monitor's files on the host, beside the journal: its state, the looks of the last days, silences, a freeze."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from operations.context import Context
from operations.layout import state_directory
from operations.ledger import MonitorMemory
from operations.monitoring.model import Freeze, State

STATE, SILENCES, FREEZE = "monitor.json", "silences.json", "freeze.json"
HISTORY = "monitor"
"""Directory with one file of looks a day (UTC)."""
DAYS = 14
"""So many files are kept."""


class HostMemory(Struct, frozen=True):
    """``MonitorMemory`` in these files; whoever writes last has looked last."""

    context: Context

    def load(self) -> State:
        """The file."""
        return load(self.context)

    def save(self, state: State, _before: State, look: Mapping[str, Any] | None) -> bool:
        """The file, and a line."""
        save(self.context, state)
        if look is not None:
            append(self.context, state.looked_at, look)
        return True

    def looks(self, since: float) -> Iterator[Mapping[str, Any]]:
        """Of the days that are kept."""
        begin = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
        return (look for look in history(self.context) if str(look.get("at", "")) >= begin)


def memory_of(context: Context) -> MonitorMemory:
    """Where what the monitor of an environment knows is kept."""
    return context.memory or HostMemory(context)


def load(context: Context) -> State:
    """The state after the last look; empty where there was none."""
    path = _path(context, STATE)
    return State.from_bytes(context.host.read(path)) if context.host.exists(path) else State()


def save(context: Context, state: State) -> None:
    """In place of the one before."""
    context.host.make_directory(state_directory(context.environment))
    context.host.write(_path(context, STATE), state.to_bytes())


def append(context: Context, now: float, look: Mapping[str, Any]) -> None:
    """One line for a look; days that are too old are removed when a new one begins."""
    host, directory = context.host, _path(context, HISTORY)
    name = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}.jsonl"
    days = host.list(directory)
    if name not in days:
        host.make_directory(directory)
        for old in sorted(days)[: max(0, len(days) + 1 - DAYS)]:
            host.remove(f"{directory}/{old}")
    line = json.dumps(look, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    host.append(f"{directory}/{name}", line, sync=False)


def history(context: Context) -> Iterator[dict[str, Any]]:
    """All looks that are kept, oldest first; a line that was cut short says nothing."""
    directory = _path(context, HISTORY)
    for name in sorted(context.host.list(directory)):
        for line in context.host.read(f"{directory}/{name}").splitlines():
            with suppress(ValueError):
                yield json.loads(line)


def silences(context: Context) -> Mapping[str, float]:
    """Until when nothing is told of a check; ``*`` is all of them."""
    path = _path(context, SILENCES)
    if not context.host.exists(path):
        return {}
    try:
        return {str(name): float(until) for name, until in json.loads(context.host.read(path)).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def silence(context: Context, until: Mapping[str, float]) -> None:
    """Replace all silences."""
    context.host.make_directory(state_directory(context.environment))
    context.host.write(_path(context, SILENCES), json.dumps(dict(until)).encode())


def freeze(context: Context) -> Freeze | None:
    """That of its alerts alone, whether it stands or has ended."""
    path = _path(context, FREEZE)
    if not context.host.exists(path):
        return None
    try:
        return Freeze(**json.loads(context.host.read(path)))
    except (ValueError, TypeError):
        return None


def keep_freeze(context: Context, made: Freeze) -> None:
    """In place of the one before."""
    context.host.make_directory(state_directory(context.environment))
    context.host.write(_path(context, FREEZE), json.dumps(asdict(made), ensure_ascii=False).encode())


def _path(context: Context, name: str) -> str:
    return f"{state_directory(context.environment)}/{name}"
