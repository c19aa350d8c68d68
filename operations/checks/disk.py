"""Is there room for the next backup, and when will there be none?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.backups import own_and_sound
from operations.checks.model import Check
from operations.context import Context
from operations.measures import age_text, size_text
from operations.monitoring.trends import runs_out, trend

ROOM = 2.0
"""The next backup may be this much larger than the last."""
PRUNE = "backup prune --dry-run"


def look(context: Context) -> Iterator[Check]:
    """What is free for backups, against the largest of them, and what it will come to at the pace of the last days."""
    directory = context.environment.backup_dir
    free = context.host.free_bytes(directory)
    largest = max((backup.bytes for backup in own_and_sound(context)), default=0)
    left = runs_out(trend(context, "disk"), context.clock.now(), free)
    told = f"{size_text(free)} free for {directory}" + (f", full in {age_text(left)}" if left is not None else "")
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
    elif left is not None and left < context.environment.checks.disk_full_within:
        why = "Without room no backup can be made, so nothing can be deployed; and if the database shares it, it stops."
        yield Check("disk", "warn", told, why, fix, value=free)
    else:
        yield Check("disk", "ok", told, value=free)
