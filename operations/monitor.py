"""Monitor: the health check again and again, its history, and alerts when something changes for long enough."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from operations.checks.model import Check, Status
from operations.context import Context
from operations.errors import LocktenderError
from operations.health import SERVER, CheckResult, check
from operations.lock import Owner, at_work
from operations.monitoring import store
from operations.monitoring.decide import Quiet, decide, merged
from operations.monitoring.model import Event, Message, State
from operations.monitoring.sending import Sender, kept, written
from operations.monitoring.trends import sampled

DISTURBING = ("deploy", "apply", "rollback", "restore", "restore --undo")
"""Runs while which what is found is no trouble: they stop the application themselves, and take locks."""
DISTURBS_FOR = 1800.0
"""Seconds after which a run is no excuse any more."""
DELIVERY = 45.0
"""Seconds that a single look waits for its alerts to be delivered."""
EVERYTHING = "*"


@dataclass(frozen=True)
class Look:
    """One look: what was found, and what of it was told. ``undelivered``: messages that are still to be sent."""

    at: float
    seconds: float
    checks: tuple[Check, ...]
    events: tuple[Event, ...]
    standing: Mapping[str, Status]
    """Troubles that were told and are not over, by check."""
    quiet: tuple[str, ...] = ()
    """Checks that are silenced now; ``*``: all."""
    undelivered: int = 0
    troubles: tuple[str, ...] = ()
    """What went wrong with sending and remembering, in words."""

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return CheckResult(self.checks).healthy


@dataclass
class Monitor:
    """Looks at one environment; what it remembers lies on the host, and here while the host is out of reach."""

    context: Context
    sender: Sender = field(init=False)
    _state: State | None = None

    def __post_init__(self) -> None:
        self.sender = Sender(self.context)

    def look(self, wait: float = 0.0) -> Look:
        """Look once, and send what there is to tell; ``wait``: seconds at most for its delivery."""
        context, began = self.context, self.context.clock.now()
        found, before, alone = _checked(context), self._remembered(), False
        if before is None:
            before, alone = State(), True
        now = context.clock.now()
        rules = context.environment.alerts
        silenced, owner = _silenced(context, now), _running(context)
        standing, events = decide(
            before.standing,
            found.checks,
            now,
            replace(rules, after=1) if alone else rules,  # what nobody can remember is told at once
            blind=found.blind,
            quiet=_quiet(silenced, owner, now),
        )
        state = State(now, standing, sampled(before.trends, _measured(found.checks), now), before.outbox)
        state, troubles = self._sent(state, events, now, wait)
        troubles += self._remember(state, found, events)
        for event in events:
            facts = {"kind": event.kind, "check": event.check, "status": event.status, "detail": event.detail}
            context.log("alert", facts)
        for trouble in troubles:
            context.log("monitor_trouble", {"trouble": trouble})
        return Look(
            at=now,
            seconds=now - began,
            checks=found.checks,
            events=events,
            standing={name: one.announced for name, one in standing.items() if one.announced != "ok"},
            quiet=(EVERYTHING,) if owner else tuple(sorted(silenced)),
            undelivered=len(state.outbox),
            troubles=troubles,
        )

    def _sent(self, state: State, events: tuple[Event, ...], now: float, wait: float) -> tuple[State, tuple[str, ...]]:
        delivered, earlier = self.sender.collect()
        more = written(self.context, secrets.token_hex(6), events, now)
        outbox = kept([*_without(state.outbox, delivered), *more], now)
        self.sender.start(outbox, beat=True)
        delivered, troubles = self.sender.collect(wait)
        return replace(state, outbox=_without(outbox, delivered)), (*earlier, *troubles)

    def _remembered(self) -> State | None:
        if self._state is None:
            try:
                self._state = store.load(self.context)
            except LocktenderError:
                return None
        return self._state

    def _remember(self, state: State, found: CheckResult, events: tuple[Event, ...]) -> tuple[str, ...]:
        """On the host, and in any case here."""
        self._state = state
        line = {
            "at": datetime.fromtimestamp(state.looked_at, UTC).isoformat(timespec="seconds"),
            "bad": {name: one.status for name, one in merged(found.checks).items() if one.status != "ok"},
            "events": [[event.kind, event.check, event.status] for event in events],
            "free": next((one.value for one in found.checks if one.name == "disk"), None),
        }
        try:
            store.save(self.context, state)
            store.append(self.context, state.looked_at, line)
        except LocktenderError as error:
            return (f"history: {error.message}",)
        return ()


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
    monitor.sender.collect(DELIVERY)


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
    named = {"disk": "disk", "restarts": "restarts "}
    return [(named[one.name] + one.subject, one.value) for one in checks if one.name in named and one.value is not None]


def _without(outbox: tuple[Message, ...], delivered: frozenset[str]) -> tuple[Message, ...]:
    return tuple(message for message in outbox if message.id not in delivered)
