"""Where things lie on the host, and what databases of ours are called."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from operations.quoting import suffixed
from operations.settings import Environment

PARTIAL = ".partial"
MANIFEST = "manifest.json"
ARCHIVE = "archive"


def backup_path(environment: Environment, backup_id: str) -> str:
    """Directory of a complete backup; while it is being written ``.partial`` is added to its name."""
    return f"{environment.backup_dir}/{backup_id}"


def state_directory(environment: Environment) -> str:
    """Journal, lock and fencing counter of one environment, beside the backups: outside the database they speak of."""
    return f"{environment.backup_dir}/.locktender/{environment.name}"


def new_id(now: float, entropy: str) -> str:
    """An id for a run or a backup: when it began (UTC), and what tells two of the same second apart."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{entropy[:6]}"


def scratch_prefix(environment: Environment, database: str) -> str:
    """Begin of the names of all databases that runs of this environment make and drop again."""
    key = f"{environment.backup_dir}\0{environment.name}\0{database}"
    return f"lt_scratch_{hashlib.sha256(key.encode()).hexdigest()[:10]}_"


def kept_name(database: str, run_id: str) -> str:
    """What the database before a swap is called after it."""
    return suffixed(database, f"_before_{run_id}")
