"""Is there room on the server's other disks, where databases and containers lie, and when will there be none?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from operations.checks.model import Check
from operations.context import Context
from operations.monitoring.trends import room
from operations.ports import Host

PLACES = {"/var/lib/postgresql": "databases lie", "/var/lib/docker": "Docker's volumes and images lie"}
"""Where Debian's PostgreSQL and Docker keep what is theirs."""
TIMEOUT = 5.0


def look(context: Context) -> Iterator[Check]:
    """PostgreSQL's and Docker's usual directories, where they are on another disk than the backups."""
    seen = {_disk(context.host, context.environment.backup_dir)}
    for directory in PLACES:
        if context.host.exists(directory) and (disk := _disk(context.host, directory)) not in seen:
            seen.add(disk)
            yield _judged(context, directory)


def _judged(context: Context, directory: str) -> Check:
    limits, found = context.environment.checks, room(context, f"server_disk {directory}", directory)
    free, told = found.free, found.told
    why = f"That is where {PLACES[directory]}: without room the database stops, and nothing can be built."
    fix = f"du -xh --max-depth 3 {directory} | sort -h, on the server, shows what takes it."
    if free < limits.server_disk:
        return Check("server_disk", "fail", told, why, fix, value=free, subject=directory)
    if found.full_within(limits.disk_full_within):
        return Check("server_disk", "warn", told, why, fix, value=free, subject=directory)
    return Check("server_disk", "ok", told, value=free, subject=directory)


def _disk(host: Host, path: str) -> str:
    """What tells a file system from others, of a path or the nearest one above that exists; empty: it is not told."""
    there = next(
        (str(one) for one in (PurePosixPath(path), *PurePosixPath(path).parents) if host.exists(str(one))), "/"
    )
    said = host.run(["stat", "-f", "-c", "%i", there], timeout=TIMEOUT)
    return said.stdout.strip() if said.returncode == 0 else ""
