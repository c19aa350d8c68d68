"""What becomes of news while an environment is frozen, and once it is not any more.

Pure. ``decide`` goes on as if there were no freeze, so states and history are what they would be. Here is told what
of its events is held back, and what people have to hear when the freeze ends: of each check the one step from what
they know to what is so, all of it together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from operations.checks.model import Check, Status
from operations.monitoring.decide import RANK, Quiet, by_weight, event_of, weight
from operations.monitoring.model import Event, Freeze, Frost, Held, Kind, Passed, Standing, State
from operations.settings import Alerts, FreezeHolds

HOLDS: Mapping[FreezeHolds, int] = {"nothing": 0, "warnings": 1, "everything": 2}
"""The gravest that is held back."""
UNREAD = 3600.0
"""Seconds since it was last known for which a freeze is believed to stand when nobody can tell."""
DETAIL = 300
"""Characters that are kept of what was so."""


class News(Struct, frozen=True):
    """``told`` now, ``held_back`` by this look; what the next look needs to know; what a message says of a freeze."""

    standing: Mapping[str, Standing]
    told: tuple[Event, ...]
    held_back: tuple[Event, ...] = ()
    freeze: Freeze | None = None
    held: Mapping[str, Held] = {}
    frost: Frost | None = None

    @property
    def worth_telling(self) -> bool:
        """Whether there is a message to be sent."""
        return bool(self.told or (self.frost and self.frost.let_go))


def presumed(known: Freeze | None, now: float, looked_at: float) -> Freeze | None:
    """What is taken to stand where nobody can tell: the freeze that stood last, until its end, and not for long.

    However rare looks are, the first that cannot tell ends nothing: the one before it, at ``looked_at``, could.
    """
    if known is None or _ended(known, now) or (now - known.read > UNREAD and known.read < looked_at):
        return None
    return known


def _ended(freeze: Freeze, now: float) -> bool:
    return freeze.over or (freeze.until is not None and now >= freeze.until)


def sifted(
    before: State,
    decided: tuple[Mapping[str, Standing], tuple[Event, ...]],
    found: Mapping[str, Check],
    freeze: Freeze | None,
    now: float,
    rules: Alerts,
    quiet: Quiet,
    *,
    known: bool = True,
) -> News:
    """What is told of what ``decide`` has come to, with the freeze that stands now, if one does.

    Not ``known``: nobody could tell whether the one before stands.
    """
    standing, events = decided
    if freeze:
        return _holding(before.held, standing, events, freeze, now, rules)
    due = {name: one for name, one in before.held.items() if not quiet(name)}
    if not (due and before.freeze):
        return News(standing, events, freeze=before.freeze if before.held else None, held=before.held)
    stood = replace(before.freeze, over=known or _ended(before.freeze, now))
    return _letting_go(before.held, due, stood, standing, events, found, now, quiet)


def _holding(
    before: Mapping[str, Held],
    standing: Mapping[str, Standing],
    events: Sequence[Event],
    freeze: Freeze,
    now: float,
    rules: Alerts,
) -> News:
    held = dict(before)
    told: list[Event] = []
    back: list[Event] = []
    for event in events:
        known = held.get(event.check)
        if weight(event) <= HOLDS[rules.freeze_holds]:
            held[event.check] = _added(known, event, now)
            back.append(event)
        else:
            told.append(_step(known.known, event) if known else event)
            if known:
                held[event.check] = replace(known, known=event.status, known_since=event.since)
    frost = Frost(freeze, False, sum(one.alerts for one in held.values()))
    return News(standing, tuple(told), tuple(back), freeze, held, frost)


def _added(known: Held | None, event: Event, now: float) -> Held:
    worst = max(event.status, event.before, key=lambda status: RANK[status])
    if known is None:
        known = Held(event.before, event.since, worst, now, now, event.detail[:DETAIL])
    elif RANK[worst] > RANK[known.worst] or event.kind == "raised":
        known = replace(known, worst=max(worst, known.worst, key=lambda s: RANK[s]), detail=event.detail[:DETAIL])
    return replace(known, ended=now, alerts=known.alerts + (event.kind != "reminder"))


def _letting_go(
    before: Mapping[str, Held],
    due: Mapping[str, Held],
    freeze: Freeze,
    standing: Mapping[str, Standing],
    events: Sequence[Event],
    found: Mapping[str, Check],
    now: float,
    quiet: Quiet,
) -> News:
    """All that was held back in one step each; and, so that it is whole, what else stands."""
    told = {event.check: event for event in events if event.check not in due}
    ends = {event.check: now for event in events}
    passed = []
    for name, one in due.items():
        stands = standing.get(name, Standing())
        if one.known == stands.announced == "ok":
            passed.append(Passed(name, one.worst, one.began, ends.get(name, one.ended), one.detail))
            continue
        told[name] = _net(one, name, stands, found.get(name))
    for name, stands in standing.items():
        if stands.announced != "ok" and name not in told and not quiet(name):
            told[name] = event_of("reminder", name, stands.announced, stands.announced, stands.since, found.get(name))
    left = {name: one for name, one in before.items() if name not in due}
    alerts, began = sum(one.alerts for one in due.values()), tuple(sorted(passed, key=lambda one: one.began))
    return News(
        {name: replace(one, told=now) if name in told else one for name, one in standing.items()},
        tuple(sorted(told.values(), key=by_weight)),
        freeze=freeze if left else None,
        held=left,
        frost=Frost(freeze, freeze.over, alerts, began, known=freeze.over),
    )


def _net(one: Held, name: str, stands: Standing, check: Check | None) -> Event:
    since = one.known_since if stands.announced == "ok" else stands.since
    kind = _kind(one.known, stands.announced)
    return event_of(kind, name, stands.announced, one.known, since, check or Check(name, stands.announced, one.detail))


def _step(known: Status, event: Event) -> Event:
    """The same for people who know something else than what was so before."""
    return event if known == event.before else replace(event, kind=_kind(known, event.status), before=known)


def _kind(known: Status, status: Status) -> Kind:
    if known == status:
        return "reminder"
    if known == "ok":
        return "raised"
    if status == "ok":
        return "recovered"
    return "worsened" if RANK[status] > RANK[known] else "eased"
