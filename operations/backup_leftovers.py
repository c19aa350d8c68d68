"""Backups in the making, and what is left of them when a run dies.

The name of one holds what tells environments apart that share a directory: only the run that holds the environment's
lock may remove it.
"""

from __future__ import annotations

import hashlib

from operations.context import Context
from operations.errors import HostError
from operations.layout import PARTIAL, backup_path


def partial_path(context: Context, backup_id: str) -> str:
    """Where a backup lies while it is written or removed."""
    return f"{backup_path(context.environment, backup_id)}{_ending(context)}"


def remove_leftovers(context: Context) -> tuple[str, ...]:
    """Remove what dead runs of this environment left half-written; the caller holds the lock. Returns the names."""
    base = context.environment.backup_dir
    names = [name.removesuffix("/") for name in context.host.list(base) if name.endswith(f"{_ending(context)}/")]
    return tuple(name for name in names if _removed(context, f"{base}/{name}"))


def _removed(context: Context, path: str) -> bool:
    try:
        context.host.remove(path)
    except HostError:
        return False  # an orphaned pg_dump may still write there; it ends soon, and the next run tries again
    return True


def _ending(context: Context) -> str:
    environment = context.environment
    return f".{hashlib.sha256(environment.name.encode()).hexdigest()[:8]}{PARTIAL}"
