"""Is there a way back, is it recent, and has it been tried?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.backup import list_backups
from operations.checks.model import Check, age_text, bytes_text
from operations.context import Context

ROOM = 2.0
"""The next backup may be this much larger than the last."""


def look(context: Context) -> Iterator[Check]:
    """The newest backup's age and level, and room for the next one."""
    command, limit = context.command, context.environment.backups.max_age
    backups = list_backups(context)
    if not backups:
        yield Check(
            "backups",
            "warn",
            f"none in {context.environment.backup_dir}",
            "There is nothing to restore.",
            f"{command} backup create",
        )
    else:
        newest = backups[0]
        age = context.clock.now() - newest.created
        told = f"{len(backups)}, the newest {newest.id} ({newest.level}), {age_text(age)} old"
        if age > limit:
            yield Check(
                "backups",
                "fail",
                told,
                f"What was written since would be lost; max_age is {age_text(limit)}.",
                f"{command} backup create",
            )
        elif not newest.verified:
            yield Check(
                "backups",
                "warn",
                f"{told}, never restored for a test",
                "A dump can be whole and yet not restorable.",
                f"{command} backup verify {newest.id} --test-restore",
            )
        else:
            yield Check("backups", "ok", told)
    yield from _disk(context, max((backup.bytes for backup in backups), default=0))


def _disk(context: Context, largest: int) -> Iterator[Check]:
    directory = context.environment.backup_dir
    free = context.host.free_bytes(directory)
    detail = f"{bytes_text(free)} free for {directory}"
    if free < ROOM * largest:
        yield Check(
            "disk",
            "fail" if free < largest else "warn",
            f"{detail}; the largest backup takes {bytes_text(largest)}",
            "A deploy without room for its backup is refused.",
            f"{context.command} backup prune --dry-run",
        )
    else:
        yield Check("disk", "ok", detail)
