"""Was a backup cut short?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.backup_leftovers import partial_path
from operations.checks.model import Check, listed
from operations.context import Context
from operations.lock import at_work


def look(context: Context) -> Iterator[Check]:
    """Half-written backups that no run at work can be writing."""
    ending = partial_path(context, "").rpartition("/")[2]
    names = context.host.list(context.environment.backup_dir)
    partial = [name.rstrip("/") for name in names if name.endswith(f"{ending}/")]
    if not partial or at_work(context):
        yield Check("partial_backups", "ok", "none")
        return
    yield Check(
        "partial_backups",
        "warn",
        listed(partial),
        "A backup was interrupted; this is no backup, but takes up room.",
        "The next deploy, backup or restore removes it.",
    )
