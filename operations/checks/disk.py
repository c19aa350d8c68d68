"""Can the next backup be written, is there room for it, and when will there be none?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from operations.checks.backups import own_and_sound
from operations.checks.model import Check
from operations.commands import directories
from operations.context import Context
from operations.layout import state_directory
from operations.measures import size_text
from operations.monitoring.trends import room, trends

ROOM = 2.0
"""The next backup may be this much larger than the last."""
PRUNE = "backup prune --dry-run"
PATIENCE = 10.0
"""Seconds."""


def look(context: Context) -> Iterator[Check]:
    """Whether this account may write there; what is free, against the largest backup and the pace of the last days."""
    who, *shut = context.host.run(directories.shut(*_places(context)), timeout=PATIENCE).stdout.splitlines() or ["?"]
    if shut:
        why = "Lock, journal and backups lie there: without it nothing can be deployed or restored."
        yield Check(
            "disk", "fail", f"{who} may not write to {shut[0]}", why, f"As root: {_opening(context, who, shut[0])}"
        )
        return
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


def _places(context: Context) -> tuple[str, str]:
    return context.environment.backup_dir, state_directory(context.environment)


def _opening(context: Context, who: str, place: str) -> str:
    """The command that lets somebody write there; ``place`` is what is in the way."""
    wanted = context.environment.backup_dir
    if PurePosixPath(place).is_relative_to(wanted):
        return f"chown -R {who} {shlex.quote(place)}"
    return f"install -d -o {who} -m 700 {shlex.quote(wanted)}"
