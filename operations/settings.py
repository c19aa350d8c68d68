"""What an environment is, frozen: parsed once, by ``settings_file`` or from three options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from operations.secret import Secret

Strategy = Literal["maintenance", "online"]
Transactions = Literal["whole", "file"]


@dataclass(frozen=True)
class Backups:
    """How backups are made and which are kept. Sizes in bytes, times in seconds."""

    keep_last: int = 7
    keep_hourly: int = 0
    keep_daily: int = 14
    keep_weekly: int = 8
    keep_monthly: int = 12
    keep_yearly: int = 0
    keep_within: float = 0.0
    max_age: float = 26 * 3600.0
    """Older than this, the newest backup is a finding of ``check``."""
    test_restore: Literal["before_deploy", "never"] = "before_deploy"
    test_restore_limit: int = 10 * 1024**3
    """Databases above this size are not test-restored before a deploy."""
    hash_limit: int = 10 * 1024**3
    """Databases above this size get row counts, but no row hashes."""
    jobs: int = 0
    """Parallel dump and restore processes; 0 is one per core, at most 4."""
    signing_key: Secret | None = None
    """Where set, manifests carry an HMAC-SHA256 and those without a right one are refused."""


@dataclass(frozen=True)
class Environment:
    """One named place to deploy to. Times in seconds."""

    name: str
    database_url: Secret
    migrations: str
    backup_dir: str
    strategy: Strategy = "maintenance"
    lock_timeout: float = 2.0
    attempts: int = 3
    transactions: Transactions | None = None
    """``whole`` deploy or each ``file`` in a transaction; ``None``: whole for ``maintenance``, file for ``online``."""
    maintenance_database: str = "postgres"
    """Where to connect while the database itself is being renamed."""
    client_bin: str | None = None
    """Directory of pg_dump and pg_restore, where the usual ones are not to be used."""
    advisory_lock_timeout: float = 10.0
    allow_edited: bool = False
    """Deploy although files of applied migrations were edited."""
    backups: Backups = field(default_factory=Backups)

    @property
    def transaction_mode(self) -> Transactions:
        """``transactions``, or what the strategy implies."""
        return self.transactions or ("file" if self.strategy == "online" else "whole")
