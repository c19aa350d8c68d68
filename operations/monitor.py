"""Monitor: the health check again and again, its history, and alerts when something changes for long enough."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from operations.checks.model import Check, Status
from operations.context import Context
from operations.errors import LocktenderError
from operations.health import SERVER, CheckResult, check
from operations.ledger import MonitorMemory
from operations.lock import Owner, at_work
from operations.monitoring import freezes, store
from operations.monitoring.decide import Quiet, decide, merged
from operations.monitoring.freezes import Reading
from operations.monitoring.freezing import News, sifted
from operations.monitoring.model import Event, Freeze, Message, State, found_in
from operations.monitoring.sending import Sender, kept, written
from operations.monitoring.trends import sampled

DISTURBING = ("deploy", "apply", "rollback", "restore", "restore --undo")
"""Runs while which what is found is no trouble: they stop the application themselves, and take locks."""
DISTURBS_FOR = 1800.0
"""Seconds after which a run is no excuse any more."""
DELIVERY = 45.0
"""Seconds that a single look waits for its alerts to be delivered."""
EVERYTHING = "*"
LOST = (
    "history: what the look before had kept is damaged, and was begun anew: what still stands is told again, and what "
    "was not delivered yet is lost"
)


class Look(Struct, frozen=True):
    """One look: what was found, and what of it was told. ``undelivered``: messages that are still to be sent."""

    at: float
    seconds: float
    checks: tuple[Check, ...]
    events: tuple[Event, ...]
    standing: Mapping[str, Status]
    """Troubles that were told, or are held back, and are not over, by check."""
    quiet: tuple[str, ...] = ()
    """Checks that are silenced now; ``*``: all."""
    freeze: Freeze | None = None
    """That stands now."""
    held: int = 0
    """Alerts that it holds back."""
    undelivered: int = 0
    troubles: tuple[str, ...] = ()
    """What went wrong with sending and remembering, in words."""

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return CheckResult(self.checks).healthy


@dataclass
class Monitor:
    """Looks at one environment; what it knows lies in its memory, and here while that is out of reach."""

    context: Context
    sender: Sender = field(init=False)
    memory: MonitorMemory = field(init=False)
    _state: State | None = None
    _apart: bool = True
    """Whether the state is not the memory's, which could not be read yet: then it is not written over, either."""

    def __post_init__(self) -> None:
        self.sender = Sender(self.context)
        self.memory = store.memory_of(self.context)

    def look(self, wait: float = 0.0) -> Look:
        """Look once, and send what there is to tell; ``wait``: seconds at most for its delivery."""
        context, began = self.context, self.context.clock.now()
        found, before = _checked(context), self._remembered()
        now = context.clock.now()
        silenced, owner = _silenced(context, now), _running(context)
        frozen = freezes.standing(context, before or State(), now)
        news, line = _judged(context, before, found, frozen, _quiet(silenced, owner, now), now)
        before = before or State()
        outbox = kept([*before.outbox, *written(context, secrets.token_hex(6), news, now)], now)
        trends = sampled(before.trends, _measured(found.checks), now)
        state = State(now, news.standing, trends, outbox, found_in(found.checks), now - began, news.freeze, news.held)
        try:
            state, troubles = self._told(state, before, line, wait)
        except _Superseded:
            news = replace(news, told=(), held_back=())
            troubles = ("somebody else has looked at the same time, and tells what there is to tell",)
        troubles += (*frozen.troubles, *((LOST,) if before.lost else ()))
        _logged(context, news, troubles)
        return Look(
            at=now,
            seconds=now - began,
            checks=found.checks,
            events=news.told,
            standing={name: one.announced for name, one in news.standing.items() if one.announced != "ok"},
            quiet=(EVERYTHING,) if owner else tuple(sorted(silenced)),
            freeze=frozen.freeze,
            held=state.held_back,
            undelivered=len(state.outbox),
            troubles=troubles,
        )

    def _told(self, state: State, before: State, line: Mapping[str, Any], wait: float) -> tuple[State, tuple[str, ...]]:
        """Kept first, with what is still to be sent, then sent: so nothing is lost, and nobody sends it as well."""
        delivered, troubles = self.sender.collect()
        state = replace(state, outbox=_without(state.outbox, delivered))
        troubles += self._remember(state, before, line)
        self.sender.start(state.outbox, beat=True)
        delivered, more = self.sender.collect(wait)
        if delivered:
            state = replace(state, outbox=_without(state.outbox, delivered))
            more += self._remember(state, state, None)
        return state, (*troubles, *more)

    def finish(self, wait: float) -> None:
        """Send what is being sent, for ``wait`` seconds, and remember that it is."""
        delivered, _ = self.sender.collect(wait)
        if delivered and self._state:
            with suppress(_Superseded):
                self._remember(replace(self._state, outbox=_without(self._state.outbox, delivered)), self._state, None)

    def _remembered(self) -> State | None:
        """``None``: nobody knows what was before."""
        if self._apart:
            try:
                known = self.memory.load()
            except LocktenderError:
                return self._state
            self._state, self._apart = known.followed_by(self._state) if self._state else known, False
        return self._state

    def _remember(self, state: State, before: State, line: Mapping[str, Any] | None) -> tuple[str, ...]:
        """In the memory, and in any case here."""
        self._state = state
        if self._apart:
            return ("history: it could not be read, and is not written over",)
        try:
            mine = self.memory.save(state, before, line)
        except LocktenderError as error:
            return (f"history: {error.message}",)
        if not mine:
            self._state, self._apart = None, True
            raise _Superseded
        return ()


class _Superseded(Exception):
    """Somebody else has looked since the state was loaded."""


def _judged(
    context: Context, before: State | None, found: CheckResult, frozen: Reading, quiet: Quiet, now: float
) -> tuple[News, dict[str, Any]]:
    """What is to be told, and the line for the history, which has what happened, be it told, held back or told late."""
    rules, known = context.environment.alerts, merged(found.checks)
    if before is None:  # what nobody can remember is told at once
        rules = replace(rules, after=1, freeze_holds="nothing")
    before = before or State()
    decided = decide(before.standing, found.checks, now, rules, blind=found.blind, quiet=quiet)
    news = sifted(before, decided, known, frozen.freeze, now, rules, quiet, known=frozen.known)
    line = {
        "at": _time(now),
        "bad": {name: one.status for name, one in known.items() if one.status != "ok"},
        "events": [[event.kind, event.check, event.status, _time(event.since)] for event in decided[1]],
        "held": [event.check for event in news.held_back],
        "free": next((one.value for one in found.checks if one.name == "disk"), None),
    }
    return news, line


def _facts(event: Event) -> dict[str, Any]:
    return {"kind": event.kind, "check": event.check, "status": event.status, "detail": event.detail}


def _logged(context: Context, news: News, troubles: tuple[str, ...]) -> None:
    for event in news.told:
        context.log("alert", _facts(event))
    for event in news.held_back:
        context.log("alert_held", _facts(event))
    for trouble in troubles:
        context.log("monitor_trouble", {"trouble": trouble})


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def once(context: Context) -> Look:
    """One look; its alerts are delivered, or left for the next one."""
    return Monitor(context).look(wait=DELIVERY)


def continuously(context: Context, interval: float, told: Callable[[Look], None], stop: threading.Event) -> None:
    """A look every ``interval`` seconds until ``stop`` is set; ``told`` gets each."""
    monitor = Monitor(context)
    while not stop.is_set():
        began = context.clock.now()
        told(monitor.look())
        stop.wait(max(0.0, interval - (context.clock.now() - began)))
    monitor.finish(DELIVERY)


def silence(context: Context, names: tuple[str, ...], seconds: float) -> Mapping[str, float]:
    """Nothing is told of these checks (none named: of all) for so long; 0 ends that. Returns until when, by name."""
    now = context.clock.now()
    known = {name: until for name, until in store.silences(context).items() if until > now}
    for name in names or (EVERYTHING,):
        known.pop(name, None)
        if seconds:
            known[name] = now + seconds
    store.silence(context, known)
    return known


def _checked(context: Context) -> CheckResult:
    """A server that is not the one it should be is a finding, too: the monitor goes on."""
    try:
        return check(context)
    except LocktenderError as error:
        why = "Database, backups and runs are there, and nothing of them can be looked at."
        return CheckResult((Check(SERVER, "fail", error.message, why, error.hint or ""),))


def _silenced(context: Context, now: float) -> frozenset[str]:
    try:
        by_hand = store.silences(context)
    except LocktenderError:
        by_hand = {}
    return frozenset({name for name, until in by_hand.items() if until > now} | {*context.environment.alerts.silence})


def _running(context: Context) -> Owner | None:
    try:
        owner = at_work(context)
    except LocktenderError:
        return None
    return owner if owner and owner.operation in DISTURBING else None


def _quiet(silenced: frozenset[str], owner: Owner | None, now: float) -> Quiet:
    disturbed = owner is not None and now - datetime.fromisoformat(owner.since).timestamp() < DISTURBS_FOR
    return lambda name: disturbed or name in silenced or EVERYTHING in silenced


def _measured(checks: tuple[Check, ...]) -> list[tuple[str, float]]:
    """What has a trend."""
    named = {"disk": "disk", "server_disk": "server_disk ", "restarts": "restarts "}
    return [(named[one.name] + one.subject, one.value) for one in checks if one.name in named and one.value is not None]


def _without(outbox: tuple[Message, ...], delivered: frozenset[str]) -> tuple[Message, ...]:
    return tuple(message for message in outbox if message.id not in delivered)
