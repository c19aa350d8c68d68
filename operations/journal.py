"""The record of a run's steps, on the host beside the backups: outside the database that a restore would rewind.

One file of JSON lines per run, append-only, synced before anything that must not go unrecorded. A line that a crash cut
short has no line end and is not read. What a run is about to do stands there before it is done; what happened then is
looked up, never assumed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec import Struct

from operations.context import Context
from operations.errors import HostError, HostUnreachable, LockLost
from operations.layout import state_directory
from operations.lock import Lock
from operations.secret import redact

STARTED = "run_started"
FINISHED = "run_finished"
AUDIT = "audit.jsonl"
"""Beside the journals: how each run ended, a line each."""
AUDITED = ("applied", "commit", "backup_id", "rollback", "code", "error", "state", "settled_by")


class Entry(Struct, frozen=True):
    """One line: ``at`` is UTC, ISO 8601; ``facts`` whatever the event tells."""

    event: str
    at: str
    facts: Mapping[str, Any] = {}


class RunRecord(Struct, frozen=True):
    """What a run's journal says, oldest entry first."""

    run_id: str
    entries: tuple[Entry, ...]

    @property
    def operation(self) -> str:
        """The verb that was run."""
        return str(self.first(STARTED).get("operation", "unknown"))

    @property
    def into(self) -> str | None:
        """The database that a restore was to make beside the live one."""
        return self.first(STARTED).get("into")

    @property
    def finished(self) -> bool:
        """Whether the run came to its own end."""
        return self.tells(FINISHED)

    @property
    def outcome(self) -> str | None:
        """As its end says, or as a later run settled it; ``None`` for one that is running or died."""
        return self.last(FINISHED).get("outcome")

    def tells(self, event: str) -> bool:
        """Whether there is such an entry, be it one without facts."""
        return any(entry.event == event for entry in self.entries)

    def first(self, event: str) -> Mapping[str, Any]:
        """Facts of the first such entry; empty if there is none."""
        return next((entry.facts for entry in self.entries if entry.event == event), {})

    def last(self, event: str) -> Mapping[str, Any]:
        """Facts of the last such entry; empty if there is none."""
        return next((entry.facts for entry in reversed(self.entries) if entry.event == event), {})

    def all(self, event: str) -> tuple[Mapping[str, Any], ...]:
        """Facts of every such entry."""
        return tuple(entry.facts for entry in self.entries if entry.event == event)


class Journal(Struct, frozen=True):
    """The journal of one run, open for writing as long as the run holds the lock."""

    context: Context
    lock: Lock
    run_id: str

    @classmethod
    def open(cls, context: Context, lock: Lock, operation: str, **facts: Any) -> Journal:
        """Begin the record of the lock's run."""
        context.host.make_directory(_directory(context))
        journal = cls(context, lock, lock.owner.run_id)
        journal.record(STARTED, operation=operation, actor=context.actor, token=lock.owner.token, **facts)
        return journal

    @classmethod
    def reopen(cls, context: Context, lock: Lock, run_id: str) -> Journal:
        """The journal of a dead run, for the run that settles it; a line that was cut short is ended first."""
        path = _file(context, run_id)
        if not context.host.read(path).endswith(b"\n"):
            context.host.append(path, b"\n")
        return cls(context, lock, run_id)

    def record(self, event: str, *, sync: bool = True, **facts: Any) -> None:
        """Append one line, if the lock is still ours; raises ``LockLost``, ``HostError``.

        Without ``sync`` a crash of the machine may take it: only for what the run does not depend on afterwards.
        """
        self.lock.check()
        append(self.context, self.run_id, event, sync=sync, **facts)
        self.context.log(event, {"run": self.run_id, **facts})

    def note(self, event: str, *, sync: bool = False, **facts: Any) -> None:
        """A line that nothing depends on: neither a full disk nor a cut line is a reason to fail because of it.

        Raises ``LockLost``.
        """
        with suppress(HostError, HostUnreachable):
            self.record(event, sync=sync, **facts)

    def finish(self, outcome: str, **facts: Any) -> bool:
        """The run's own end. False if it could not be written: then the next run looks what became of this one.

        What an ``error`` says may come from a program that knows secrets.
        """
        if "error" in facts:
            facts["error"] = redact(str(facts["error"]), self.context.secrets)
        try:
            self.record(FINISHED, outcome=outcome, **facts)
        except (HostError, HostUnreachable, LockLost):
            return False
        with suppress(HostError, HostUnreachable):  # nothing depends on that line
            self._note_end(outcome, facts)
        return True

    def _note_end(self, outcome: str, facts: Mapping[str, Any]) -> None:
        """One line for every run of the environment, for people who look after the server."""
        record = read(self.context, self.run_id)
        told = {
            "at": _now(self.context),
            "run": self.run_id,
            "operation": record.operation if record else "unknown",
            "actor": record.first(STARTED).get("actor") if record else None,
            "outcome": outcome,
            **{name: facts[name] for name in AUDITED if facts.get(name)},
        }
        path = f"{state_directory(self.context.environment)}/{AUDIT}"
        self.context.host.append(path, _line(told), sync=False)


def append(context: Context, run_id: str, event: str, *, sync: bool = True, **facts: Any) -> None:
    """Append one line to a run's journal."""
    context.host.append(_file(context, run_id), _line({"event": event, "at": _now(context), **facts}), sync=sync)


def read(context: Context, run_id: str) -> RunRecord | None:
    """One run's record; ``None`` if there is none."""
    path = _file(context, run_id)
    return RunRecord(run_id, parse(context.host.read(path))) if context.host.exists(path) else None


def is_known(context: Context, run_id: str) -> bool:
    """Whether it is a run of this environment."""
    return context.host.exists(_file(context, run_id))


def records(context: Context) -> tuple[RunRecord, ...]:
    """All runs of the environment, oldest first: by their fencing tokens, since a clock may be set back."""
    names = [name for name in context.host.list(_directory(context)) if name.endswith(".jsonl")]
    found = [
        RunRecord(name[: -len(".jsonl")], parse(context.host.read(f"{_directory(context)}/{name}"))) for name in names
    ]
    return tuple(sorted((r for r in found if r.entries), key=_order))


def latest(context: Context, count: int, *, at_once: int = 1) -> tuple[RunRecord, ...]:
    """The newest runs by their ids (which begin with the second), newest first, without reading all the others.

    ``at_once`` files are read at the same time: over a long line it is the waiting that takes time.
    """
    names = [name for name in context.host.list(_directory(context)) if name.endswith(".jsonl")]
    found = _read_all(context, [name[: -len(".jsonl")] for name in names[-count:]], at_once)
    return tuple(sorted((record for record in found if record and record.entries), key=_order, reverse=True))


def last_token(context: Context) -> int:
    """The greatest fencing token that any run has had; 0 if there was none."""
    return max((_order(record)[0] for record in records(context)), default=0)


def _read_all(context: Context, run_ids: Sequence[str], at_once: int) -> list[RunRecord | None]:
    if at_once == 1:
        return [read(context, run_id) for run_id in run_ids]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(partial(read, context), run_ids))


def parse(data: bytes) -> tuple[Entry, ...]:
    """The complete lines of a journal; a line that is no JSON was cut short by a crash and says nothing."""
    entries = []
    for line in data.split(b"\n")[:-1]:
        try:
            facts = json.loads(line)
            entries.append(Entry(facts.pop("event"), facts.pop("at"), facts))
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
    return tuple(entries)


def _line(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _now(context: Context) -> str:
    return datetime.fromtimestamp(context.clock.now(), UTC).isoformat(timespec="milliseconds")


def _order(record: RunRecord) -> tuple[int, str]:
    token = record.first(STARTED).get("token", 0)
    return token if isinstance(token, int) else 0, str(record.entries[0].at)


def _directory(context: Context) -> str:
    return f"{state_directory(context.environment)}/journal"


def _file(context: Context, run_id: str) -> str:
    return f"{_directory(context)}/{run_id}.jsonl"
