"""What a report tells. Times are UTC, ISO 8601; durations seconds, sizes bytes; ``None`` is what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from operations.checks.model import Check

DEPLOYS = ("deploy", "apply")


class Run(Struct, frozen=True):
    """One run of the journal."""

    run_id: str
    operation: str
    at: str
    actor: str
    outcome: str
    seconds: float | None = None
    """``None`` for one that is at work, or died and was settled by a later one."""
    applied: tuple[str, ...] = ()
    backup_id: str | None = None
    downtime_seconds: float | None = None
    """For how long the application did not answer, or a database was being swapped."""
    rollback: str | None = None
    """How the old state was brought back, where it was."""
    error: str | None = None

    @property
    def good(self) -> bool:
        """Whether it did what it was asked for."""
        return self.outcome in ("deployed", "nothing_to_do", "restored", "resolved") or (
            self.operation == "rollback" and self.outcome == "rolled_back"
        )


class MigrationTime(Struct, frozen=True):
    """How long an applied migration took."""

    name: str
    at: str
    seconds: float | None


class TableSize(Struct, frozen=True):
    """A table with its indexes: ``rows`` is PostgreSQL's estimate, ``more_rows`` the change since the oldest backup."""

    name: str
    bytes: int
    rows: int | None
    more_rows: int | None = None


class SizePoint(Struct, frozen=True):
    """The size of the whole database at a moment."""

    at: str
    bytes: int


class Backup(Struct, frozen=True):
    """A backup as its manifest has it; ``level`` is the best that was found, ``None`` for a damaged one."""

    id: str
    at: str
    bytes: int
    reason: str
    level: str | None
    seconds: float | None = None
    database_bytes: int | None = None
    rows: int | None = None
    checked: str | None = None
    """When it was last restored for a test, or tried to be."""
    pinned: str | None = None
    problems: tuple[str, ...] = ()


Decision = Literal["granted", "denied", "expired", "cancelled", "voided", "open"]


class Approval(Struct, frozen=True):
    """What became of a request that somebody had to agree to, or that went past that."""

    id: str
    operation: str
    at: str
    requester: str
    decision: Decision
    waited: float | None = None
    """From when it was asked for to the vote that decided."""
    approvers: tuple[str, ...] = ()
    reason: str = ""
    state: str = ""
    break_glass: bool = False
    reviewed_by: str | None = None
    """Of a break-glass request; ``None``: nobody yet."""


class Alert(Struct, frozen=True):
    """A trouble that people were told of, or would have been but for a freeze; ``status`` is the worst of it."""

    check: str
    status: str
    at: str
    recovered_at: str | None = None
    seconds: float | None = None
    """Until it was over; ``None`` while it stands."""
    held: bool = False
    """Whether a freeze held it back when it began."""


class Watched(Struct, frozen=True):
    """Numbers of approvals and alerts; ``None`` where nobody keeps them."""

    asked: int | None = None
    granted: int | None = None
    denied: int | None = None
    median_waited: float | None = None
    break_glass: int | None = None
    unreviewed: int | None = None
    alerts: int = 0
    standing: int = 0
    median_recovery: float | None = None


class Summary(Struct, frozen=True):
    """The numbers that one looks at first."""

    deploys: int
    failed_deploys: int
    median_deploy_seconds: float | None
    downtime_seconds: float | None
    longest_downtime_seconds: float | None
    """Both ``None`` where no run has measured any."""
    migrations: int | None
    pending: int | None
    backups: int
    restorable_backups: int
    database_bytes: int | None
    warnings: int
    failures: int


class Report(Struct, frozen=True):
    """Runs and backups newest first, migrations and sizes oldest first, tables largest first."""

    environment: str
    database: str
    generated: str
    summary: Summary
    server_version: str | None = None
    checks: tuple[Check, ...] = ()
    runs: tuple[Run, ...] = ()
    migrations: tuple[MigrationTime, ...] = ()
    pending: tuple[str, ...] = ()
    sizes: tuple[SizePoint, ...] = ()
    tables: tuple[TableSize, ...] = ()
    more_tables: int = 0
    """So many more there are than the largest ones that are told."""
    backups: tuple[Backup, ...] = ()
    approvals: tuple[Approval, ...] | None = None
    """Newest first; ``None``: there is no ledger."""
    alerts: tuple[Alert, ...] = ()
    watched: Watched = field(default_factory=Watched)
    missing: tuple[str, ...] = ()
    """What could not be looked at, and why: sentences."""


def summarised(
    runs: Sequence[Run],
    migrations: Sequence[MigrationTime] | None,
    pending: Sequence[str] | None,
    backups: Sequence[Backup],
    database_bytes: int | None,
    checks: Sequence[Check],
) -> Summary:
    """A deploy that found nothing to do counts as one; a run that is still at work, as none."""
    deploys = [run for run in runs if run.operation in DEPLOYS and run.outcome != "running"]
    took = [run.seconds for run in deploys if run.good and run.seconds is not None]
    out = [run.downtime_seconds for run in runs if run.downtime_seconds is not None]
    return Summary(
        deploys=len(deploys),
        failed_deploys=sum(not run.good for run in deploys),
        median_deploy_seconds=median(took) if took else None,
        downtime_seconds=sum(out) if out else None,
        longest_downtime_seconds=max(out, default=None),
        migrations=None if migrations is None else len(migrations),
        pending=None if pending is None else len(pending),
        backups=len(backups),
        restorable_backups=sum(backup.level == "L2" for backup in backups),
        database_bytes=database_bytes,
        warnings=sum(check.status == "warn" for check in checks),
        failures=sum(check.status == "fail" for check in checks),
    )


def watched(approvals: Sequence[Approval] | None, alerts: Sequence[Alert]) -> Watched:
    """What was asked, how long people waited for each other, and how long troubles lasted."""
    lasted = [one.seconds for one in alerts if one.seconds is not None]
    told = Watched(
        alerts=len(alerts),
        standing=sum(one.recovered_at is None for one in alerts),
        median_recovery=median(lasted) if lasted else None,
    )
    if approvals is None:
        return told
    waited = [one.waited for one in approvals if one.waited is not None and not one.break_glass]
    return replace(
        told,
        asked=len(approvals),
        granted=sum(one.decision == "granted" for one in approvals),
        denied=sum(one.decision == "denied" for one in approvals),
        median_waited=median(waited) if waited else None,
        break_glass=sum(one.break_glass for one in approvals),
        unreviewed=sum(one.break_glass and one.decision == "granted" and one.reviewed_by is None for one in approvals),
    )
