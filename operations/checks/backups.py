"""Is there a way back, and is it recent?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.backup_catalogue import BackupInfo, list_backups
from operations.checks.model import Check
from operations.context import Context
from operations.measures import age_text


def look(context: Context) -> Iterator[Check]:
    """The newest sound backup: its age and its level."""
    command, limit = context.command, context.environment.backups.max_age
    backups = own_and_sound(context)
    if not backups:
        where = context.environment.backup_dir
        yield Check("backups", "warn", f"none in {where}", "There is nothing to restore.", f"{command} backup create")
        return
    newest = backups[0]
    age = context.clock.now() - newest.created
    told = f"{len(backups)}, the newest {newest.id} ({newest.level}), {age_text(age)} old"
    if age > limit:
        why = f"What was written since would be lost; max_age is {age_text(limit)}."
        yield Check("backups", "fail", told, why, f"{command} backup create", value=age)
    elif not newest.verified:
        yield Check(
            "backups",
            "warn",
            f"{told}, never restored for a test",
            "A dump can be whole and yet not restorable.",
            f"{command} backup verify {newest.id} --test-restore",
            value=age,
        )
    else:
        yield Check("backups", "ok", told, value=age)


def own_and_sound(context: Context) -> tuple[BackupInfo, ...]:
    """The environment's backups without a known problem, newest first."""
    return tuple(backup for backup in list_backups(context) if backup.own and not backup.problems)
