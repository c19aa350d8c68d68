"""Backups in the making, and what is left of them when a run dies.

The name of one holds what tells environments apart that share a directory: only the run that holds the environment's
lock may remove it.
"""

from __future__ import annotations

import hashlib
import secrets

from operations.client_places import end_orphans
from operations.context import Context
from operations.errors import HostError
from operations.layout import PARTIAL, backup_path, state_directory

LISTS = "entries."
MOST_AGE = 86400.0
"""Seconds after which a list is nobody's."""


def partial_path(context: Context, backup_id: str) -> str:
    """Where a backup lies while it is written or removed."""
    return f"{backup_path(context.environment, backup_id)}{_ending(context)}"


def remove_leftovers(context: Context) -> tuple[str, ...]:
    """Remove what dead runs of this environment left half-written; the caller holds the lock. Returns the names."""
    end_orphans(context)
    _remove_old_lists(context)
    base = context.environment.backup_dir
    names = [name.removesuffix("/") for name in context.host.list(base) if name.endswith(f"{_ending(context)}/")]
    return tuple(name for name in names if _removed(context, f"{base}/{name}"))


def lists_path(context: Context) -> str:
    """Where to put a list of an archive's entries for the time of a restore; needs the environment's directory."""
    return f"{state_directory(context.environment)}/{LISTS}{secrets.token_hex(8)}"


def _remove_old_lists(context: Context) -> None:
    """Only old ones: reading a backup takes no lock, so that somebody may be using a young one."""
    state = state_directory(context.environment)
    for name in context.host.list(state):
        if name.startswith(LISTS) and context.host.age(f"{state}/{name}") > MOST_AGE:
            context.host.remove(f"{state}/{name}")


def _removed(context: Context, path: str) -> bool:
    try:
        context.host.remove(path)
    except HostError:
        return False  # an orphaned pg_dump may still write there; it ends soon, and the next run tries again
    return True


def _ending(context: Context) -> str:
    environment = context.environment
    return f".{hashlib.sha256(environment.name.encode()).hexdigest()[:8]}{PARTIAL}"
