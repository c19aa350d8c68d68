"""Are there backups that no restore would take?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.backup_catalogue import list_backups
from operations.checks.model import Check, listed
from operations.context import Context


def look(context: Context) -> Iterator[Check]:
    """Those whose manifest, or whose list of files, is not what it should be."""
    damaged = [backup for backup in list_backups(context) if backup.problems]
    if not damaged:
        yield Check("damaged_backups", "ok", "none", value=0)
        return
    yield Check(
        "damaged_backups",
        "fail",
        listed(f"{backup.id}: {backup.problems[0]}" for backup in damaged),
        "They are refused by every restore, and are no way back.",
        f"Look for the cause (disk?), then remove them, such as: rm -r {damaged[0].path}",
        value=len(damaged),
    )
