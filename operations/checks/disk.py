"""Is there room for the next backup, and when will there be none?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.backups import own_and_sound
from operations.checks.model import Check
from operations.context import Context
from operations.measures import size_text
from operations.monitoring.trends import room, trends

ROOM = 2.0
"""The next backup may be this much larger than the last."""
PRUNE = "backup prune --dry-run"


def look(context: Context) -> Iterator[Check]:
    """What is free for backups, against the largest of them, and what it will come to at the pace of the last days."""
    found = room(context, trends(context).get("disk", ()), context.environment.backup_dir)
    free, told = found.free, found.told
    largest = max((backup.bytes for backup in own_and_sound(context)), default=0)
    fix = f"{context.command} {PRUNE}"
    if free < ROOM * largest:
        yield Check(
            "disk",
            "fail" if free < largest else "warn",
            f"{told}; the largest backup takes {size_text(largest)}",
            "A deploy without room for its backup is refused.",
            fix,
            value=free,
        )
    elif found.full_within(context.environment.checks.disk_full_within):
        why = "Without room no backup can be made, so nothing can be deployed; and if the database shares it, it stops."
        yield Check("disk", "warn", told, why, fix, value=free)
    else:
        yield Check("disk", "ok", told, value=free)
