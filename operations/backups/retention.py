"""Which backups stay: restic's rules (``restic forget``, internal/data/snapshot_policy.go), plus what must never go.

Every rule picks backups on its own, and what any of them picks stays. ``keep_daily = 14`` keeps the newest backup of
each of the last 14 days *that have one*, and the others alike (weeks are ISO weeks, all in UTC); while a rule has
counts left it also keeps the oldest backup of all, so that the history does not get shorter than it must.
``keep_within`` keeps what is older than the newest backup by less than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from operations.errors import ConfigurationError
from operations.settings import Backups


class Candidate(Struct, frozen=True):
    """A backup as the rules see it. ``created`` in seconds since the epoch.

    ``valid``: complete, as far as is known. ``restorable``: no test restore of it has failed. ``verified``: restored
    once, and equal. ``needed``: why it must stay whatever the rules say, a pin or a run.
    """

    id: str
    created: float
    valid: bool = True
    restorable: bool = True
    verified: bool = False
    needed: str | None = None


class Decision(Struct, frozen=True):
    """Whether a backup stays, and why; one that goes has no reasons."""

    id: str
    keep: bool
    reasons: tuple[str, ...] = ()


@dataclass
class _Rule:
    """A counted rule under way: ``left`` backups may still be picked, one per ``bucket``."""

    name: str
    left: int
    bucket: Callable[[datetime, int], tuple[int, ...]]
    last: tuple[int, ...] | None = field(default=None)

    def pick(self, moment: datetime, number: int, oldest: bool) -> str | None:
        if self.left == 0:
            return None
        bucket = self.bucket(moment, number)
        new = bucket != self.last
        if not (new or oldest):
            return None
        self.last, self.left = bucket, self.left - 1
        return self.name if new else f"oldest {self.name}"


def decide(backups: Sequence[Candidate], policy: Backups, now: float) -> tuple[Decision, ...]:
    """A decision on every backup, newest first.

    Damaged ones and those from the future neither count nor go: a person has to look at them. Those that could not be
    restored do not count either, and go once there is a newer verified one. Raises ``ConfigurationError`` for a policy
    that keeps nothing.
    """
    _refuse_empty(policy)
    ordered = sorted(backups, key=lambda backup: (backup.created, backup.id), reverse=True)
    counted = [backup for backup in ordered if backup.valid and backup.restorable and backup.created <= now]
    picked = dict(zip((backup.id for backup in counted), _picked(counted, policy), strict=True))
    newest_verified = next((backup for backup in counted if backup.verified), None)
    return tuple(_decision(backup, picked.get(backup.id, ()), newest_verified, now) for backup in ordered)


def without_damaged(backups: Sequence[Candidate], damaged: str) -> tuple[Candidate, ...]:
    """The same backups, now that one of them turned out not to be valid."""
    return tuple(replace(b, valid=False, verified=False) if b.id == damaged else b for b in backups)


def _decision(backup: Candidate, picked: Sequence[str], newest_verified: Candidate | None, now: float) -> Decision:
    reasons = list(picked)
    if backup == newest_verified:
        reasons.append("newest verified")
    if backup.needed:
        reasons.append(backup.needed)
    if not backup.valid:
        reasons.append("damaged: not counted, and not removed without being asked to")
    elif backup.created > now:
        reasons.append("from the future: not counted")
    elif not (backup.restorable or (newest_verified and newest_verified.created > backup.created)):
        reasons.append("could not be restored: not counted")
    return Decision(backup.id, bool(reasons), tuple(reasons))


def _picked(newest_first: Sequence[Candidate], policy: Backups) -> Iterator[tuple[str, ...]]:
    rules = _rules(policy)
    for number, backup in enumerate(newest_first):
        moment = datetime.fromtimestamp(backup.created, UTC)
        oldest = number == len(newest_first) - 1
        within = policy.keep_within > 0 and backup.created > newest_first[0].created - policy.keep_within
        reasons = ["within the time to keep all"] if within else []
        reasons += [reason for rule in rules if (reason := rule.pick(moment, number, oldest))]
        yield tuple(reasons)


def _rules(policy: Backups) -> tuple[_Rule, ...]:
    return (
        _Rule("last", policy.keep_last, lambda _, number: (number,)),
        _Rule("hourly", policy.keep_hourly, lambda t, _: (t.year, t.month, t.day, t.hour)),
        _Rule("daily", policy.keep_daily, lambda t, _: (t.year, t.month, t.day)),
        _Rule("weekly", policy.keep_weekly, lambda t, _: t.isocalendar()[:2]),
        _Rule("monthly", policy.keep_monthly, lambda t, _: (t.year, t.month)),
        _Rule("yearly", policy.keep_yearly, lambda t, _: (t.year,)),
    )


def _refuse_empty(policy: Backups) -> None:
    if not any(rule.left for rule in _rules(policy)) and not policy.keep_within:
        raise ConfigurationError(
            "Every keep_… setting of [backups] is 0: that would remove all backups.",
            hint="Set at least one of them, such as keep_last = 7.",
        )
