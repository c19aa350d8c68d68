"""When was a backup last restored for a test?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.backups import own_and_sound
from operations.checks.model import Check
from operations.context import Context
from operations.measures import age_text


def look(context: Context) -> Iterator[Check]:
    """The newest that was; nothing to tell before there is a backup at all, which has a check of its own."""
    backups = own_and_sound(context)
    limit = context.environment.checks.test_restore_age
    tested = next((backup for backup in backups if backup.verified), None)
    age = context.clock.now() - tested.created if tested else None
    if tested is None or age is None:
        yield Check("test_restores", "ok", "there is no backup that was")
    elif age <= limit:
        yield Check("test_restores", "ok", f"{tested.id}, {age_text(age)} old", value=age)
    else:
        yield Check(
            "test_restores",
            "warn",
            f"the newest backup that was is {tested.id}, {age_text(age)} old",
            "The way back was proved for what the database was then, not for what it is now.",
            f"{context.command} backup verify {backups[0].id} --test-restore",
            value=age,
        )
