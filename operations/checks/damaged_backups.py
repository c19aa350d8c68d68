"""Are there backups that no restore would take?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.backup_catalogue import list_backups
from operations.checks.model import Check, listed
from operations.context import Context


def look(context: Context) -> Iterator[Check]:
    """Those whose manifest, or whose list of files, is not what it should be."""
    found = [backup for backup in list_backups(context) if backup.problems]
    damaged = [backup for backup in found if not backup.doubt]
    grave = [backup for backup in found if backup.doubt != "other_version"]
    if not found:
        yield Check("damaged_backups", "ok", "none", value=0)
    elif damaged:
        yield Check(
            "damaged_backups",
            "fail",
            listed(f"{backup.id}: {backup.problems[0]}" for backup in damaged),
            "They are refused by every restore, and are no way back.",
            f"Look for the cause (disk?), then remove them, such as: rm -r {damaged[0].path}",
            value=len(damaged),
        )
    else:
        first = [*grave, *found][0]
        yield Check(
            "damaged_backups",
            "fail" if grave else "warn",
            listed(f"{backup.id}: {backup.problems[0]}" for backup in found),
            "Whether they are whole cannot be told, and no restore takes them as it is.",
            f"{first.remedy} Then: {context.command} backup verify {first.id}",
            value=len(found),
        )
