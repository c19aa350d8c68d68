"""Report: what happened, how long it took, and how healthy everything is. Changes nothing, takes no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from operations.backup_catalogue import Entry, entries, verification
from operations.backups.manifest import Manifest
from operations.checks.model import Check, Probe
from operations.context import Context
from operations.errors import LocktenderError
from operations.health import check
from operations.journal import FINISHED, RunRecord, latest
from operations.layout import MANIFEST, backup_path
from operations.ledger import Ledger
from operations.lock import current_owner, is_alive
from operations.migrations import formats
from operations.migrations.history import standing
from operations.migrations.model import HistoryRow, Migration
from operations.monitoring.store import memory_of
from operations.reporting.alerts import alerts_of
from operations.reporting.approvals import approvals_of
from operations.reporting.model import (
    Alert,
    Approval,
    Backup,
    MigrationTime,
    Report,
    Run,
    SizePoint,
    TableSize,
    summarised,
    watched,
)
from operations.secret import redact

RUNS, BACKUPS, TABLES = 100, 100, 20
"""So many of the newest, or the largest, are told."""
REQUESTS, ALERTS = 1000, 200
SINCE = 90 * 86400.0
"""Approvals and alerts of so many seconds are told."""
AT_ONCE = 4
"""Files that are read at the same time; sshd allows ten sessions on a connection."""
LONGEST_BACKUP = 86400.0
"""A manifest that is younger than its backup by more than this was copied here."""
SIZES = """
    SELECT format('%%I.%%I', n.nspname, c.relname), pg_total_relation_size(c.oid), c.reltuples::bigint, count(*) OVER ()
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 2 DESC, 1 LIMIT %s
"""

T = TypeVar("T")


class _InDatabase(Struct, frozen=True):
    """What the database tells."""

    bytes: int | None = None
    version: str | None = None
    tables: tuple[TableSize, ...] = ()
    more_tables: int = 0
    history: tuple[HistoryRow, ...] | None = None
    pending: tuple[str, ...] | None = None


@dataclass
class _Looks:
    """Tries at what may fail without spoiling the rest."""

    missing: list[str] = field(default_factory=list)

    def at(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        """What ``look`` finds, or ``otherwise`` and a sentence."""
        try:
            return look()
        except LocktenderError as error:
            self.missing.append(f"{what} could not be looked at: {error.message}")
            return otherwise


def report(context: Context, open_ledger: Callable[[], Ledger | None] = lambda: None) -> Report:
    """Gather all that there is to tell. What cannot be looked at is told as missing; without a ledger, no approvals.

    Raised is only what says that this is not the server: ``HostKeyRefused``, ``HostLoginRefused``.
    """
    looks = _Looks()
    checks = tuple(check(context).checks)
    records: tuple[RunRecord, ...] = looks.at("The journal", lambda: latest(context, RUNS, at_once=AT_ONCE), ())
    every: tuple[Entry, ...] = looks.at("The backups", lambda: entries(context, at_once=AT_ONCE), ())
    found = [entry for entry in every if _ours(entry)][:BACKUPS]
    inside = looks.at("The database", lambda: _in_database(context, looks), _InDatabase())
    at_work = looks.at("The lock", lambda: _at_work(context), None)
    runs = tuple(_run(record, at_work) for record in records)
    ledger = looks.at("The ledger", open_ledger, None)
    approvals = looks.at("The ledger", lambda: _approvals(context, ledger), None)
    alerts: tuple[Alert, ...] = looks.at("The monitor's history", lambda: _alerts(context, ledger), ())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        backups = tuple(pool.map(lambda entry: _backup(context, entry), found))
    migrations = _migrations(inside.history or (), records)
    manifests = [entry.manifest for entry in found if entry.manifest and not entry.info.problems]
    told = Report(
        environment=context.environment.name,
        database=str(context.database.target),
        generated=_time(context.clock.now()),
        summary=summarised(
            runs, None if inside.pending is None else migrations, inside.pending, backups, inside.bytes, checks
        ),
        server_version=inside.version,
        checks=checks,
        runs=runs,
        migrations=migrations,
        pending=inside.pending or (),
        sizes=_sizes(manifests, inside.bytes, context.clock.now()),
        tables=tuple(_grown(table, manifests) for table in inside.tables),
        more_tables=inside.more_tables,
        backups=backups,
        approvals=approvals,
        alerts=alerts,
        watched=watched(approvals, alerts),
        missing=tuple(looks.missing),
    )
    return _without_secrets(context, told)


def _approvals(context: Context, ledger: Ledger | None) -> tuple[Approval, ...] | None:
    if ledger is None:
        return None
    since = context.clock.now() - SINCE
    requests = ledger.history(context.environment.name, REQUESTS)
    return approvals_of(request for request in requests if request.created_at >= since)


def _alerts(context: Context, ledger: Ledger | None) -> tuple[Alert, ...]:
    """Of the monitor that is at work: a worker's, with its history in the ledger, or one that keeps it on the host."""
    memory = memory_of(context)
    if ledger is not None and context.environment.schedule.monitor:
        memory = ledger.memory(context.environment.name)
    return alerts_of(memory.looks(context.clock.now() - SINCE))[:ALERTS]


def _ours(entry: Entry) -> bool:
    """A damaged one may be anybody's, and is told."""
    return entry.info.own or entry.manifest is None


def _in_database(context: Context, looks: _Looks) -> _InDatabase:
    with context.database.session(purpose="report") as session:
        with Probe(context, session).reading():
            ((size,),) = session.rows("SELECT pg_database_size(current_database())")
            rows = session.rows(SIZES, (TABLES,))
        tool = looks.at(
            "The migrations folder", lambda: formats.detect(context.files, context.environment.migrations), None
        )
        history, pending = None, None
        if tool is not None:
            history = tool.history(session)
            folder: tuple[Migration, ...] = tool.read(context.files, context.environment.migrations)
            pending = standing(folder, history).pending
        version = session.server_version
    return _InDatabase(
        bytes=size,
        version=f"{version // 10000}.{version % 10000}",
        tables=tuple(TableSize(name, taken, count if count >= 0 else None) for name, taken, count, _ in rows),
        more_tables=max(0, rows[0][3] - TABLES) if rows else 0,
        history=history,
        pending=pending,
    )


def _at_work(context: Context) -> str | None:
    owner = current_owner(context)
    return owner.run_id if owner and is_alive(context, owner) else None


def _run(record: RunRecord, at_work: str | None) -> Run:
    began, end = record.entries[0], record.last(FINISHED)
    settled = "settled_by" in end
    ended = next((entry.at for entry in reversed(record.entries) if entry.event == FINISHED), None)
    outage = record.last("swap_finished").get("outage_seconds")
    return Run(
        run_id=record.run_id,
        operation=record.operation,
        at=began.at,
        actor=str(began.facts.get("actor", "")),
        outcome=record.outcome or ("running" if record.run_id == at_work else "interrupted"),
        seconds=_between(began.at, ended) if ended and not settled else None,
        applied=tuple(map(str, end.get("applied", ()))),
        backup_id=end.get("backup_id") or record.last("emergency_backup").get("backup_id"),
        downtime_seconds=end.get("downtime_seconds", outage),
        rollback=end.get("rollback"),
        error=end.get("error"),
    )


def _migrations(history: Iterable[HistoryRow], records: Sequence[RunRecord]) -> tuple[MigrationTime, ...]:
    """By the journal, where the run was ours; Prisma itself writes when it began and when it ended."""
    measured: dict[str, float] = {}
    for record in reversed(records):
        measured |= record.last(FINISHED).get("migration_seconds", {})
    return tuple(
        MigrationTime(row.name, _utc(row.started_at), measured.get(row.name, _took(row)))
        for row in history
        if row.finished_at is not None and row.rolled_back_at is None
    )


def _took(row: HistoryRow) -> float | None:
    """In a row that was written in one go both moments are the same, and say nothing."""
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at else 0.0
    return seconds if seconds > 0 else None


def _backup(context: Context, entry: Entry) -> Backup:
    info, manifest = entry.info, entry.manifest
    if manifest is None:
        return Backup(info.id, "", 0, "", None, problems=info.problems)
    known = None if info.problems else verification(context, manifest)
    return Backup(
        id=info.id,
        at=manifest.created,
        bytes=info.bytes,
        reason=info.reason,
        level=info.level,
        seconds=_seconds_of(context, manifest),
        database_bytes=manifest.database_bytes,
        rows=info.rows,
        checked=known.checked if known else None,
        pinned=info.pinned,
        problems=(*info.problems, *info.restore_problems),
    )


def _seconds_of(context: Context, manifest: Manifest) -> float | None:
    """From the snapshot to the manifest, which is written last and never again."""
    try:
        age = context.host.age(f"{backup_path(context.environment, manifest.id)}/{MANIFEST}")
    except LocktenderError:
        return None
    seconds = context.clock.now() - age - manifest.created_at
    return seconds if 0 <= seconds < LONGEST_BACKUP else None


def _sizes(manifests: Iterable[Manifest], now_bytes: int | None, now: float) -> tuple[SizePoint, ...]:
    points = [SizePoint(manifest.created, manifest.database_bytes) for manifest in manifests]
    points += [SizePoint(_time(now), now_bytes)] if now_bytes is not None else []
    return tuple(sorted(points, key=lambda point: datetime.fromisoformat(point.at)))


def _grown(table: TableSize, manifests: Sequence[Manifest]) -> TableSize:
    """Manifests come newest first."""
    counts: Mapping[int, int] = {
        number: manifest.tables[table.name].rows
        for number, manifest in enumerate(manifests)
        if table.name in manifest.tables
    }
    if len(counts) < 2:
        return table
    return replace(table, more_rows=counts[min(counts)] - counts[max(counts)])


def _without_secrets(context: Context, told: Report) -> Report:
    """Messages may come from programs that know some."""

    def clean(text: str) -> str:
        return redact(text, context.secrets)

    def cleaned(one: Check) -> Check:
        ddl = tuple(
            replace(each, recorded=tuple(map(clean, each.recorded)), stands=tuple(map(clean, each.stands)))
            for each in one.ddl
        )
        return replace(one, detail=clean(one.detail), why=clean(one.why), fix=clean(one.fix), ddl=ddl)

    return replace(
        told,
        checks=tuple(map(cleaned, told.checks)),
        runs=tuple(replace(run, error=clean(run.error) if run.error else None) for run in told.runs),
        backups=tuple(replace(one, problems=tuple(map(clean, one.problems))) for one in told.backups),
        approvals=told.approvals and tuple(replace(one, reason=clean(one.reason)) for one in told.approvals),
        missing=tuple(map(clean, told.missing)),
    )


def _between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(seconds: float) -> str:
    return _utc(datetime.fromtimestamp(seconds, UTC))
