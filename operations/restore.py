"""Restore a backup: beside the live database, compared with its manifest, swapped in; what was live is kept.

Until the swap, the live database serves as if nothing were going on, and whatever fails leaves it untouched.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from msgspec import Struct, field

from operations import writes
from operations.advisory import STEADY, lock_database
from operations.approvals.digest import refuse_other
from operations.backup import BackupResult, load_intact, take_backup
from operations.backup_space import refuse_full_server
from operations.backups.manifest import Manifest
from operations.beside import Validation, beside, drop
from operations.context import Context
from operations.errors import (
    DatabaseMissing,
    LocktenderError,
    NeedsAttention,
    RestoreFailed,
    listed,
)
from operations.journal import Journal
from operations.kept import KeptDatabase, kept_databases, prune_kept
from operations.layout import kept_name, new_id
from operations.lock import held
from operations.migrations.formats import FORMATS
from operations.pooler import refuse_pooler
from operations.ports import Progress, Session
from operations.restore_checks import refuse_unfit
from operations.schema_record import remember
from operations.scratch import in_use, scratch_name
from operations.settling import settle_if_possible
from operations.swap import maintenance, refuse_hindered_swap
from operations.swapping import last_swap, rename_in, swap_in

__all__ = [
    "KeptDatabase",
    "RestoreResult",
    "Validation",
    "beside",
    "kept_databases",
    "prune_kept",
    "restore",
    "undo",
]

MOST_SHOWN = 20


class RestoreResult(Struct, frozen=True):
    """How a restore ended. For a dry run ``steps`` is what would be done, and nothing was."""

    run_id: str
    restored: str
    """The backup's id; for an undo the name under which the database had been kept."""
    database: str
    """Where it is now."""
    emergency_backup: str | None = None
    previous_database: str | None = None
    """What the database that was live is called now."""
    seconds: float = 0.0
    outage_seconds: float = 0.0
    validation: Validation = field(default_factory=lambda: Validation(True))
    written_meanwhile: Mapping[str, int] | None = None
    """Rows written since the emergency backup began (after an undo: since the restore), by table where that is known.
    They are in ``previous_database`` and not in the live one. ``None``: it cannot be told."""
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def restore(
    context: Context,
    backup_id: str,
    into: str | None = None,
    dry_run: bool = False,
    *,
    foreign: bool = False,
    emergency: bool = True,
    approved: str | None = None,
) -> RestoreResult:
    """Make a backup (``latest``: the newest) the live database, or with ``into`` a new one beside it.

    ``foreign`` allows a backup of another database or server; without ``emergency`` the live database is not backed up
    before (it is kept all the same). ``approved``: ``Manifest.digest`` of the only backup that may be restored; for
    another one ``RequestChanged`` is raised. Raises ``NotFound``, ``Tampered``, ``Refused`` with every reason found
    before anything is touched; ``BackupFailed``, ``RestoreFailed`` before the live database is.
    """
    run_id = new_id(context.clock.now(), secrets.token_hex(3))
    begun = context.clock.now()
    if dry_run:
        live, manifest = _prepare(context, backup_id, into, foreign)
        steps = tuple(_steps(context, manifest, run_id, live, into, emergency))
        return RestoreResult(run_id, manifest.id, into or context.database.target.database, steps=steps)
    with held(context, "restore", run_id) as lock:
        notes = settle_if_possible(context, lock)
        live, manifest = _prepare(context, backup_id, into, foreign)
        refuse_other(approved, manifest.digest, "backup")
        journal = Journal.open(context, lock, "restore", backup_id=manifest.id, into=into)
        run = _Run(context, journal, manifest, emergency and live, begun, notes)
        with _journalled(journal):
            result = run.into(into) if into is not None else run.live(live)
            journal.finish("restored", database=result.database, kept=result.previous_database)
        if into is None:
            remember(context, run_id)
        return result


def undo(context: Context, approved: str | None = None) -> RestoreResult:
    """Swap the database back in that the last restore or rollback replaced; the one that is live now is kept in turn.

    ``approved``: the name of the only one that may be. Raises ``NotFound`` if there is none, ``Refused`` if something
    stands in the way.
    """
    run_id = new_id(context.clock.now(), secrets.token_hex(3))
    begun = context.clock.now()
    with held(context, "restore --undo", run_id) as lock:
        notes = settle_if_possible(context, lock)
        kept, before = last_swap(context)
        refuse_other(approved, kept, "database to go back to")
        refuse_hindered_swap(context)
        journal = Journal.open(context, lock, "restore --undo", kept=kept)
        with _journalled(journal), _no_migration(context, run_id):
            outage, previous, written = swap_in(context, journal, kept, before)
            journal.finish("restored", database=context.database.target.database, kept=previous)
        remember(context, run_id)
    return RestoreResult(
        run_id=run_id,
        restored=kept,
        database=context.database.target.database,
        previous_database=previous,
        seconds=context.clock.now() - begun,
        outage_seconds=outage,
        written_meanwhile=written,
        notes=notes,
    )


@dataclass
class _Run:
    """A restore under way, with the environment's lock."""

    context: Context
    journal: Journal
    manifest: Manifest
    emergency: bool
    begun: float
    notes: tuple[str, ...]

    def into(self, name: str) -> RestoreResult:
        """A new database that stays, also if it is not quite the same: the result says so."""
        self._report("restoring")
        validation = beside(self.context, self.manifest, name)
        return self._result(name, validation)

    def live(self, exists: bool) -> RestoreResult:
        """The live database, or if there is none any more, a new one of its name."""
        name = scratch_name(self.context)
        if not exists:
            with in_use(self.context, name):
                validation = self._restored(name)
                rename_in(self.context, self.journal, name)
            return self._result(self.context.database.target.database, validation)
        with _no_migration(self.context, self.journal.run_id) as session, in_use(self.context, name):
            before = writes.counters(session)
            backup = self._emergency()
            validation = self._restored(name)
            try:
                session.rows("SELECT 1")  # without it, a migration may have been at work since
                outage, kept, written = swap_in(self.context, self.journal, name, before)
            except NeedsAttention:
                raise
            except BaseException:
                drop(self.context, name)
                raise
        return self._result(
            self.context.database.target.database, validation, backup=backup, kept=kept, outage=outage, written=written
        )

    def _emergency(self) -> BackupResult | None:
        if not self.emergency:
            return None
        self._report("emergency backup")
        reason = f"emergency, before restore of {self.manifest.id}"
        backup = take_backup(self.context, reason, self.journal.run_id, "L1")
        self.journal.record("emergency_backup", backup_id=backup.id)
        with maintenance(self.context, "restore check") as session:  # once more: it may have taken its room there
            refuse_full_server(self.context, session, self.manifest.database_bytes)
        return backup

    def _restored(self, name: str) -> Validation:
        self._report("restoring")
        validation = beside(self.context, self.manifest, name)
        if not validation.ok:
            drop(self.context, name)
            shown = (*validation.differences[:MOST_SHOWN], *(["…"] if len(validation.differences) > MOST_SHOWN else []))
            raise RestoreFailed(
                f"Backup {self.manifest.id} was restored beside the live database, and is not what its manifest says: "
                f"{listed(shown)}",
                hint=f"Nothing was changed. {self.context.command} restore {self.manifest.id} --into NAME leaves it "
                "there to be looked at.",
                details={"differences": list(validation.differences)},
            )
        return validation

    def _result(
        self,
        database: str,
        validation: Validation,
        *,
        backup: BackupResult | None = None,
        kept: str | None = None,
        outage: float = 0.0,
        written: Mapping[str, int] | None = None,
    ) -> RestoreResult:
        return RestoreResult(
            run_id=self.journal.run_id,
            restored=self.manifest.id,
            database=database,
            emergency_backup=backup.id if backup else None,
            previous_database=kept,
            seconds=self.context.clock.now() - self.begun,
            outage_seconds=outage,
            validation=validation,
            written_meanwhile=written,
            notes=self.notes,
        )

    def _report(self, what: str) -> None:
        self.context.report(Progress(what))


def _prepare(context: Context, backup_id: str, into: str | None, foreign: bool) -> tuple[bool, Manifest]:
    """Whether there is a live database, and the backup: intact, and nothing known that would make it fail."""
    context.report(Progress("checking"))
    manifest = load_intact(context, backup_id)
    live = _live_exists(context)
    if live:
        refuse_pooler(context)
    refuse_unfit(context, manifest, live=live, into=into, foreign=foreign)
    return live, manifest


def _steps(
    context: Context, manifest: Manifest, run_id: str, live: bool, into: str | None, emergency: bool
) -> Iterator[str]:
    database = context.database.target.database
    yield f"Backup {manifest.id} of {manifest.created} is intact, and nothing stands in its way."
    target = into if into is not None else scratch_name(context)
    if into is None and live and emergency:
        yield f"Take an emergency backup of {database}."
    yield f"Create database {target} and restore {len(manifest.tables)} tables with {manifest.rows} rows into it."
    yield "Compare rows, sequences, definitions and properties with what was recorded."
    if into is None and live:
        with maintenance(context, "restore check") as session:
            ((count,),) = session.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (database,))
        kept = kept_name(database, run_id)
        yield f"Disconnect all sessions ({count} now), rename {database} to {kept} and {target} to {database}."
    elif into is None:
        yield f"There is no database {database}: rename {target} to it."


def _live_exists(context: Context) -> bool:
    try:
        context.database.connect(purpose="restore check").close()
    except DatabaseMissing:
        return False
    return True


@contextmanager
def _no_migration(context: Context, run_id: str) -> Iterator[Session]:
    """A session on the live database that keeps every migration tool out; a swap ends it. Raises ``LockHeld``."""
    with context.database.session(purpose=f"run {run_id}") as session:
        session.reset(STEADY)
        for format in FORMATS:
            lock_database(context, session, format.lock_id)
        yield session


@contextmanager
def _journalled(journal: Journal) -> Iterator[None]:
    """A failure is the run's end, unless it left the swap in doubt: then the next run looks what happened."""
    try:
        yield
    except NeedsAttention:
        raise
    except LocktenderError as error:
        journal.finish("failed", error=error.message, code=error.code)
        raise
