"""What is worth an alert: from where each check stood, what a look has found and the time, to where it stands now.

Pure, so that a week of it can be tried in a second. A trouble is told once enough looks have found it, told again as
a reminder, and told to be over once enough looks in a row have not found it; what flaps stays one trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from operations.checks.model import Check, Status
from operations.monitoring.model import Event, Kind, Standing
from operations.settings import Alerts

ORDER: tuple[Status, ...] = ("ok", "warn", "fail")
RANK: Mapping[Status, int] = {status: rank for rank, status in enumerate(ORDER)}
FORGIVEN = 0.5
"""By how much a look without a trouble lowers its score."""
Quiet = Callable[[str], bool]
"""Whether nothing is to be told of a check now."""


def decide(
    before: Mapping[str, Standing],
    checks: Sequence[Check],
    now: float,
    rules: Alerts,
    *,
    blind: bool = False,
    quiet: Quiet = lambda _: False,
) -> tuple[Mapping[str, Standing], tuple[Event, ...]]:
    """Where every check stands now, and what is to be told, the worst first.

    A check of which there is no finding is well, unless the look was ``blind``: then it stays as it was. While it is
    ``quiet`` about a check, looks are counted, and what they came to is told afterwards.
    """
    found = merged(checks)
    after: dict[str, Standing] = {}
    events: list[Event] = []
    for name in sorted(before.keys() | found.keys()):
        was = before.get(name, Standing())
        if name not in found and blind:
            after[name] = was
            continue
        check = found.get(name, Check(name, "ok", "not found any more"))
        counted = _counted(was, _rank(check, rules), rules.after)
        if quiet(name):
            after[name] = counted
            continue
        after[name], event = _told(name, counted, check, now, rules)
        events += [event] if event else []
    after, reminders = _reminded(after, found, now, rules, quiet)
    told = {event.check for event in events}
    events += [event for event in reminders if event.check not in told]
    return {name: one for name, one in after.items() if one != Standing()}, tuple(sorted(events, key=by_weight))


def merged(checks: Iterable[Check]) -> Mapping[str, Check]:
    """One finding for each name: the worst of several machines', with all that is not well in its detail."""
    found: dict[str, Check] = {}
    for check in checks:
        other = found.get(check.name)
        if other is None or (RANK[check.status], RANK[other.status]) in ((1, 0), (2, 0)):
            found[check.name] = check
        elif check.status != "ok":
            worst = max(other, check, key=lambda one: RANK[one.status])
            found[check.name] = replace(worst, detail=f"{other.detail}; {check.detail}")
    return found


def _rank(check: Check, rules: Alerts) -> int:
    rank = RANK[check.status]
    return rank if rank >= RANK[rules.level] else 0


def _counted(was: Standing, rank: int, after: int) -> Standing:
    """With one more look counted, for each level."""
    score = [
        min(float(after), s + 1) if rank >= level else max(0.0, s - FORGIVEN) for level, s in enumerate(was.score, 1)
    ]
    calm = [0 if rank >= level else c + 1 for level, c in enumerate(was.calm, 1)]
    return replace(was, score=(score[0], score[1]), calm=(calm[0], calm[1]))


def _told(name: str, stands: Standing, check: Check, now: float, rules: Alerts) -> tuple[Standing, Event | None]:
    """What has changed since people were last told, if it has changed for long enough."""
    known = RANK[stands.announced]
    risen = max((level for level in (1, 2) if level > known and stands.score[level - 1] >= rules.after), default=0)
    if risen:
        since = stands.since if known else now
        worse = replace(stands, announced=ORDER[risen], since=since, told=now)
        return worse, event_of("worsened" if known else "raised", name, ORDER[risen], stands.announced, since, check)
    if known and stands.calm[known - 1] >= rules.recovered_after:
        left = max(
            (level for level in (1, 2) if level < known and stands.calm[level - 1] < rules.recovered_after), default=0
        )
        eased = replace(stands, announced=ORDER[left], told=now, since=stands.since if left else 0.0)
        eased = eased if left else Standing()
        return eased, event_of(
            "eased" if left else "recovered", name, ORDER[left], stands.announced, stands.since, check
        )
    if not known and not any(stands.score):
        return Standing(), None
    return stands, None


def _reminded(
    stand: Mapping[str, Standing], found: Mapping[str, Check], now: float, rules: Alerts, quiet: Quiet
) -> tuple[dict[str, Standing], list[Event]]:
    """As soon as one trouble is due all that stand are told again, together: one message instead of many."""
    standing = {name: one for name, one in stand.items() if one.announced != "ok" and not quiet(name)}
    if not rules.remind or not any(now - one.told >= rules.remind for one in standing.values()):
        return dict(stand), []
    reminders = [
        event_of("reminder", name, one.announced, one.announced, one.since, found.get(name))
        for name, one in standing.items()
    ]
    return {**stand, **{name: replace(one, told=now) for name, one in standing.items()}}, reminders


def event_of(kind: Kind, name: str, status: Status, before: Status, since: float, check: Check | None) -> Event:
    """With what was found, if it was looked at."""
    if check is None:
        return Event(kind, name, status, before, since, "it could not be looked at")
    return Event(kind, name, status, before, since, check.detail, check.why, check.fix)


def weight(event: Event) -> int:
    """How grave what it tells of is: the worse of before and after."""
    return max(RANK[event.status], RANK[event.before])


def by_weight(event: Event) -> tuple[int, str]:
    """For sorting, the worst first."""
    return -(weight(event) if event.kind == "recovered" else RANK[event.status]), event.check
