"""Is there a way back, is it recent, and has it been tried?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from operations.backup_catalogue import BackupInfo, list_backups
from operations.checks.model import Check, listed
from operations.context import Context
from operations.measures import age_text, size_text

ROOM = 2.0
"""The next backup may be this much larger than the last."""


def look(context: Context) -> Iterator[Check]:
    """The newest backup's age and level, damaged ones, and room for the next one."""
    every = list_backups(context)
    sound = [backup for backup in every if backup.own and not backup.problems]
    yield _newest(context, sound)
    damaged = [backup for backup in every if backup.problems]
    if damaged:
        yield Check(
            "damaged_backups",
            "fail",
            listed(f"{backup.id}: {backup.problems[0]}" for backup in damaged),
            "They are refused by every restore, and are no way back.",
            f"Look for the cause (disk?), then remove them, such as: rm -r {damaged[0].path}",
        )
    yield from _disk(context, max((backup.bytes for backup in sound), default=0))


def _newest(context: Context, backups: Sequence[BackupInfo]) -> Check:
    command, limit = context.command, context.environment.backups.max_age
    if not backups:
        where = context.environment.backup_dir
        return Check("backups", "warn", f"none in {where}", "There is nothing to restore.", f"{command} backup create")
    newest = backups[0]
    age = context.clock.now() - newest.created
    told = f"{len(backups)}, the newest {newest.id} ({newest.level}), {age_text(age)} old"
    if age > limit:
        why = f"What was written since would be lost; max_age is {age_text(limit)}."
        return Check("backups", "fail", told, why, f"{command} backup create")
    if not newest.verified:
        return Check(
            "backups",
            "warn",
            f"{told}, never restored for a test",
            "A dump can be whole and yet not restorable.",
            f"{command} backup verify {newest.id} --test-restore",
        )
    return Check("backups", "ok", told)


def _disk(context: Context, largest: int) -> Iterator[Check]:
    directory = context.environment.backup_dir
    free = context.host.free_bytes(directory)
    detail = f"{size_text(free)} free for {directory}"
    if free < ROOM * largest:
        yield Check(
            "disk",
            "fail" if free < largest else "warn",
            f"{detail}; the largest backup takes {size_text(largest)}",
            "A deploy without room for its backup is refused.",
            f"{context.command} backup prune --dry-run",
        )
    else:
        yield Check("disk", "ok", detail)
