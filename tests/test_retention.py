"""The rules that decide which backups stay: worked examples, and what must hold for every case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from operations.backups.retention import Candidate, decide, without_damaged
from operations.errors import ConfigurationError
from operations.settings import Backups

NOTHING = Backups(keep_last=0, keep_daily=0, keep_weekly=0, keep_monthly=0)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
DAY = 86400.0
WITHIN = "within the time to keep all"


def at(*moments: str) -> list[Candidate]:
    return [Candidate(id=text, created=datetime.fromisoformat(text + "+00:00").timestamp()) for text in moments]


def kept(backups: Sequence[Candidate], policy: Backups, now: float = NOW) -> dict[str, tuple[str, ...]]:
    return {decision.id: decision.reasons for decision in decide(backups, policy, now) if decision.keep}


WEEK = at(
    "2026-02-28T22:00", "2026-02-28T10:00", "2026-02-27T10:00", "2026-02-23T23:59", "2026-02-22T00:00",
    "2026-01-31T08:00", "2026-01-01T00:00", "2025-12-31T23:59", "2024-06-01T00:00",
)  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"keep_last": 2}, {"2026-02-28T22:00": ("last",), "2026-02-28T10:00": ("last",)}),
        (
            {"keep_daily": 3},
            {"2026-02-28T22:00": ("daily",), "2026-02-27T10:00": ("daily",), "2026-02-23T23:59": ("daily",)},
        ),
        # Monday 23 February begins a week; Sunday 22 belongs to the one before.
        (
            {"keep_weekly": 3},
            {"2026-02-28T22:00": ("weekly",), "2026-02-22T00:00": ("weekly",), "2026-01-31T08:00": ("weekly",)},
        ),
        # Thursday 1 January and Wednesday 31 December share an ISO week, but neither month nor year.
        ({"keep_yearly": 2}, {"2026-02-28T22:00": ("yearly",), "2025-12-31T23:59": ("yearly",)}),
        (
            {"keep_monthly": 3},
            {"2026-02-28T22:00": ("monthly",), "2026-01-31T08:00": ("monthly",), "2025-12-31T23:59": ("monthly",)},
        ),
        # Younger than the newest by less than that: exactly a day before the newest does not count.
        (
            {"keep_within": DAY},
            {"2026-02-28T22:00": (WITHIN,), "2026-02-28T10:00": (WITHIN,)},
        ),
        (
            {"keep_last": 1, "keep_hourly": 1, "keep_daily": 2},
            {"2026-02-28T22:00": ("last", "hourly", "daily"), "2026-02-27T10:00": ("daily",)},
        ),
    ],
)
def test_worked_examples(policy: dict[str, float], expected: dict[str, tuple[str, ...]]) -> None:
    assert kept(WEEK, replace(NOTHING, **policy)) == expected  # type: ignore[arg-type]


def test_a_rule_with_counts_left_also_keeps_the_oldest() -> None:
    backups = at("2026-02-28T10:00", "2026-02-27T12:00", "2026-02-27T11:00", "2026-02-27T10:00")
    assert kept(backups, replace(NOTHING, keep_daily=3)) == {
        "2026-02-28T10:00": ("daily",),
        "2026-02-27T12:00": ("daily",),
        "2026-02-27T10:00": ("oldest daily",),
    }
    assert "2026-02-27T10:00" not in kept(backups, replace(NOTHING, keep_daily=2))


def test_days_without_a_backup_do_not_count() -> None:
    backups = at("2026-02-28T10:00", "2026-01-20T10:00", "2025-07-01T10:00")
    assert kept(backups, replace(NOTHING, keep_daily=3)).keys() == {backup.id for backup in backups}


def test_a_week_of_failures_does_not_evict_the_good_ones() -> None:
    good = at("2026-02-20T03:00", "2026-02-19T03:00")
    bad = [replace(b, valid=False) for b in at(*(f"2026-02-2{day}T03:00" for day in range(1, 9)))]
    decisions = {d.id: d for d in decide([*good, *bad], replace(NOTHING, keep_last=2), NOW)}
    assert all(decisions[backup.id].reasons == ("last",) for backup in good)
    assert all("damaged" in decisions[backup.id].reasons[0] for backup in bad)


def test_the_newest_verified_one_the_pinned_and_the_needed_stay() -> None:
    new, middle, old, oldest = at("2026-02-28T10:00", "2026-02-27T10:00", "2026-02-26T10:00", "2026-02-25T10:00")
    tested = [replace(middle, verified=True), replace(old, verified=True)]
    backups = [new, *tested, replace(oldest, needed="pinned: audit")]
    policy = replace(NOTHING, keep_last=1)
    assert kept(backups, policy) == {
        new.id: ("last",),
        middle.id: ("newest verified",),
        oldest.id: ("pinned: audit",),
    }
    assert old.id in kept(without_damaged(backups, middle.id), policy)


def test_those_that_could_not_be_restored_do_not_count_and_go_once_there_is_a_better_one() -> None:
    new, failed, old = at("2026-02-28T10:00", "2026-02-27T10:00", "2026-02-26T10:00")
    failed = replace(failed, restorable=False)
    policy = replace(NOTHING, keep_last=2)
    expected = {new.id: ("last",), failed.id: ("could not be restored: not counted",), old.id: ("last",)}
    assert kept([new, failed, old], policy) == expected
    assert kept([replace(new, verified=True), failed, old], policy).keys() == {new.id, old.id}


def test_those_from_the_future_neither_count_nor_go() -> None:
    backups = at("2027-01-01T00:00", "2026-02-28T10:00", "2026-02-27T10:00")
    assert kept(backups, replace(NOTHING, keep_last=1)) == {
        "2027-01-01T00:00": ("from the future: not counted",),
        "2026-02-28T10:00": ("last",),
    }


def test_a_policy_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="would remove all backups"):
        decide(WEEK, NOTHING, NOW)


COUNTS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
policies = (
    st.fixed_dictionaries(
        {**{name: st.integers(0, 5) for name in COUNTS}, "keep_within": st.sampled_from([0.0, 3 * DAY])}
    )
    .filter(lambda values: any(values.values()))
    .map(lambda values: replace(NOTHING, **values))
)
candidates = st.lists(
    st.builds(
        Candidate,
        id=st.uuids().map(str),
        created=st.integers(int(NOW - 900 * DAY), int(NOW + 10 * DAY)).map(float),
        valid=st.sampled_from([True, True, True, False]),
        restorable=st.sampled_from([True, True, True, False]),
        verified=st.booleans(),
        needed=st.sampled_from([None, None, None, "pinned"]),
    ),
    max_size=30,
    unique_by=lambda backup: backup.id,
)


def counted_of(backups: list[Candidate]) -> list[Candidate]:
    """Oldest first."""
    counted = [backup for backup in backups if backup.valid and backup.restorable and backup.created <= NOW]
    return sorted(counted, key=lambda backup: (backup.created, backup.id))


@given(candidates, policies)
def test_what_must_stay_stays(backups: list[Candidate], policy: Backups) -> None:
    decisions = {decision.id: decision for decision in decide(backups, policy, NOW)}
    assert decisions.keys() == {backup.id for backup in backups}
    counted = counted_of(backups)
    for backup in backups:
        if backup.needed or not backup.valid or backup.created > NOW:
            assert decisions[backup.id].keep
    if counted:
        assert decisions[counted[-1].id].keep, "the newest valid one always stays"
        assert len([b for b in counted if decisions[b.id].keep]) >= min(policy.keep_last, len(counted))
    verified = [b for b in counted if b.verified]
    if verified:
        assert decisions[verified[-1].id].keep
    assert all(decision.keep is bool(decision.reasons) for decision in decisions.values())


@given(candidates, policies, st.sampled_from(COUNTS))
def test_more_of_a_rule_never_keeps_less_of_the_rest(backups: list[Candidate], policy: Backups, name: str) -> None:
    """But for the oldest of all, which a rule keeps only while it has counts left."""
    more = replace(policy, **{name: getattr(policy, name) + 1})
    lost = kept(backups, policy).keys() - kept(backups, more).keys()
    assert lost <= {backup.id for backup in counted_of(backups)[:1]}


@given(candidates, policies, st.randoms())
def test_the_order_they_are_listed_in_does_not_matter(
    backups: list[Candidate], policy: Backups, chance: Random
) -> None:
    shuffled = list(backups)
    chance.shuffle(shuffled)
    assert decide(backups, policy, NOW) == decide(shuffled, policy, NOW)


@given(candidates, policies)
def test_deciding_again_after_removing_removes_nothing_more(backups: list[Candidate], policy: Backups) -> None:
    stays = kept(backups, policy)
    again = kept([backup for backup in backups if backup.id in stays], policy)
    assert again.keys() == stays.keys()


def test_every_rule_of_the_settings_is_applied() -> None:
    rules = {field.name for field in fields(Backups) if field.name.startswith("keep_")}
    for rule in rules:
        assert kept(WEEK, replace(NOTHING, **{rule: 1.0 if rule == "keep_within" else 1})), rule  # type: ignore[arg-type]
