"""How far back do the backups reach, and without holes?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from operations.checks.backups import own_and_sound
from operations.checks.model import Check, listed
from operations.context import Context

WEEK = 7
DAILY = 2 * 86400.0
"""Where ``max_age`` is less, a backup is wanted every day; it is still there a week later if ``keep_daily`` says so."""


def look(context: Context) -> Iterator[Check]:
    """Days (UTC) of the last week without a backup, from the first one on; nothing before there is one."""
    days = [datetime.fromtimestamp(backup.created, UTC).date() for backup in own_and_sound(context)]
    if not days:
        return
    today = datetime.fromtimestamp(context.clock.now(), UTC).date()
    wanted = context.environment.backups
    daily = wanted.max_age < DAILY and wanted.keep_daily >= WEEK
    lacking = holes(days, today) if daily else []
    told = f"{len(days)}, back to {min(days)}"
    if len(lacking) < context.environment.checks.days_without_backup:
        yield Check("retention", "ok", told, value=len(lacking))
        return
    yield Check(
        "retention",
        "warn",
        f"{told}; none of {listed(map(str, lacking))}",
        "Of what was lost on such a day only the day before can be had, and whatever makes the backups fails at times.",
        f"Look at why they were not made (their schedule, its log); {context.command} backup list shows what there is.",
        value=len(lacking),
    )


def holes(days: Iterable[date], today: date) -> list[date]:
    """Which of the week before ``today`` are not among ``days``, none of them before the first. Pure."""
    there = set(days)
    week = (today - timedelta(days=back) for back in range(WEEK, 0, -1))
    return [day for day in week if day not in there and day > min(there)]
