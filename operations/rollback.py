"""Rollback: the database, and the application with it, as they were before the last deploy, or before a named run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from msgspec import Struct

from operations.advisory import locked_session
from operations.approvals.digest import refuse_other
from operations.context import Context
from operations.errors import (
    ConnectionLost,
    DatabaseUnreachable,
    LockHeld,
    LocktenderError,
    NeedsAttention,
    NotFound,
    as_ours,
)
from operations.journal import STARTED, Journal, RunRecord, records
from operations.layout import new_id
from operations.lock import Lock, held
from operations.migrations import formats
from operations.migrations.model import Format
from operations.outcome import DeployResult
from operations.pooler import refuse_pooler
from operations.ports import Session
from operations.reality import MIGRATING, Reality, look
from operations.release.events import PREPARED
from operations.release.release import Release
from operations.release.settling import release_undone
from operations.release.watching import Outages, probing
from operations.schema_record import remember
from operations.settling import clean, settle
from operations.traces import Trace, trace_of
from operations.undoing import Rollback, undo, would_undo
from operations.way_back import bring_application_back

ROLLBACK = "rollback"
_NOTHING_TO_UNDO = Rollback("transaction", lossless=True)


def rollback(
    context: Context,
    *,
    run_id: str | None = None,
    accept_data_loss: bool = False,
    dry_run: bool = False,
    approved: str | None = None,
) -> DeployResult:
    """Undo the last deploy, or everything since before ``run_id``.

    By the migrations' own way down where that is proven, else by restoring the backup from just before and swapping it
    in; then the database as it was stays beside it. An application that was deployed with it is stopped meanwhile, and
    comes back in its version before. Raises ``DataWouldBeLost`` if others have written since and
    ``accept_data_loss`` is not set; ``RequestChanged`` if the runs to undo are others than ``approved``, their ids with
    spaces in between, newest first; ``NotFound`` for an unknown run, or if there is nothing to undo.
    """
    own_id = new_id(context.clock.now(), secrets.token_hex(3))
    format = formats.detect(context.files, context.environment.migrations)
    if dry_run:
        return _planned(context, own_id, format, run_id)
    with held(context, ROLLBACK, own_id) as lock:
        refuse_pooler(context)
        # A named run may be the very one that could not be settled: then it is undone here, not before.
        notes = settle(context, lock) if run_id is None else clean(context, lock)
        with locked_session(context, format.lock_id, f"run {own_id}") as session:
            runs = runs_to_undo(records(context), look(session, format), run_id)
            refuse_other(approved, " ".join(one.run_id for one in runs), "runs to undo")
            run = _Run.begun(context, lock, session, format, runs, accept_data_loss)
            way = run.perform()
        run.journal.finish("rolled_back", rollback=way.method, **run.outages.facts(context.clock.now()))
        remember(context, own_id)
    point = trace_of(runs[-1]).restore_point
    return DeployResult(
        own_id,
        "rolled_back",
        rollback=way,
        backup_id=point.backup_id if point else None,
        downtime_seconds=run.outages.until(context.clock.now()),
        notes=(*notes, *way.notes),
    )


def _planned(context: Context, own_id: str, format: Format, run_id: str | None) -> DeployResult:
    with context.database.session(purpose="plan") as session:
        runs = runs_to_undo(records(context), look(session, format), run_id)
        undone = tuple(run.run_id for run in runs)
        return DeployResult(own_id, "planned", undoes=undone, notes=_would_undo(context, runs, session, format))


def _would_undo(context: Context, runs: Sequence[RunRecord], session: Session, format: Format) -> tuple[str, ...]:
    traces = tuple(trace for trace in map(trace_of, runs) if trace.row_ids)
    said = would_undo(context, traces, session, format) if traces else ()
    oldest = next((run.first(PREPARED) for run in reversed(runs) if run.first(PREPARED)), None)
    if oldest is None:
        return said
    commit = next((one["commit"] for one in oldest["before"] if one["commit"]), None)
    version = f"commit {commit[:12]}" if commit else "the images from before"
    return (*said, f"The application would be stopped meanwhile, and come back in its version before: {version}.")


class _Unknown(NeedsAttention):
    """Whether the database was put back cannot be told yet."""


class _Run(Struct, frozen=True):
    """A rollback that has begun, on a session that holds the migration lock."""

    context: Context
    journal: Journal
    session: Session
    format: Format
    runs: Sequence[RunRecord]
    accept_data_loss: bool
    release: Release | None
    outages: Outages

    @classmethod
    def begun(
        cls,
        context: Context,
        lock: Lock,
        session: Session,
        format: Format,
        runs: Sequence[RunRecord],
        accept_data_loss: bool,
    ) -> _Run:
        """It stands in the journal."""
        journal = Journal.open(context, lock, ROLLBACK, undoes=[run.run_id for run in runs])
        outages = Outages()
        release = release_undone(context, journal, runs)
        if release:
            release = replace(release, outages=outages)
        return cls(context, journal, session, format, runs, accept_data_loss, release, outages)

    def perform(self) -> Rollback:
        """The database with the application stopped, then its version before."""
        with probing(self.context, self.release.machines if self.release else (), self.outages):
            try:
                way = self._database_back()
            except _Unknown:
                raise  # no end in the journal: the next run looks again
            except BaseException as error:  # also Ctrl-C
                self._give_up(error)
                raise
            if self.release:
                bring_application_back(self.context, self.release)
            return way

    def _database_back(self) -> Rollback:
        traces = tuple(trace for trace in map(trace_of, self.runs) if trace.row_ids)
        if self.release:
            self.release.refuse_if_it_cannot_go_back()
        if not traces:
            return _NOTHING_TO_UNDO
        if self.release:
            self.release.stop()
        return self._undo(traces)

    def _give_up(self, error: BaseException) -> None:
        """The database is as it was: so the application goes on in the version it has. The end is told only then."""
        told = as_ours(error)
        if self.release and self.release.stopped:
            try:
                self.release.resume()
            except LocktenderError as broken:
                raise NeedsAttention(
                    f"{told.message} The application could not be started again: {broken.message}",
                    hint=f"Mend the cause; {self.context.command} deploy tries it again before it does anything else.",
                    details=broken.details,
                ) from error
        outcome = "needs_attention" if isinstance(told, NeedsAttention) else "failed"
        self.journal.finish(outcome, error=told.message, code=told.code)

    def _undo(self, traces: Sequence[Trace]) -> Rollback:
        undone = {trace.run_id for trace in traces}
        completed = any(run.finished for run in records(self.context) if run.run_id in undone)
        try:
            return undo(
                self.context,
                self.journal,
                traces,
                self.session,
                self.format,
                completed=completed,
                accept_data_loss=self.accept_data_loss,
            )
        except (ConnectionLost, DatabaseUnreachable, KeyboardInterrupt):
            self.session.close()  # which lets go of the migration lock
            if not self._is_undone(traces):
                raise
            return Rollback("down", lossless=not self.accept_data_loss)

    def _is_undone(self, traces: Sequence[Trace]) -> bool:
        """Whether the last COMMIT took effect, although nobody could tell us. Raises ``_Unknown``."""
        command = self.context.command
        try:
            with locked_session(self.context, self.format.lock_id, "look") as session:
                reality = look(session, self.format)
        except (ConnectionLost, DatabaseUnreachable, LockHeld) as error:
            raise _Unknown(
                f"It cannot be told yet whether the rollback took effect: {error.message}",
                hint=f"{command} status says it, once the database answers; {command} deploy settles it.",
            ) from error
        return all(reality.state(trace) == "old" for trace in traces)


def runs_to_undo(history: Sequence[RunRecord], reality: Reality, run_id: str | None) -> tuple[RunRecord, ...]:
    """The deploys that stand, wholly or partly, and are to be undone, newest first. Pure.

    Without ``run_id`` that is the last one; with it, that one and all after it.
    """
    undone = {
        run_id
        for record in history
        if record.operation == ROLLBACK and record.outcome == "rolled_back"
        for run_id in record.first(STARTED).get("undoes", ())
    }
    standing = [run for run in reversed(history) if run.operation in MIGRATING and _stands(run, reality, undone)]
    if not standing:
        raise NotFound("There is no deploy to undo.", hint="backup list shows what there is to restore.")
    if run_id is None:
        return (standing[0],)
    ids = [run.run_id for run in standing]
    if run_id not in ids:
        raise NotFound(f"Run {run_id} is not a deploy that stands now.", hint=f"Those are: {', '.join(ids)}.")
    return tuple(standing[: ids.index(run_id) + 1])


def _stands(run: RunRecord, reality: Reality, undone: set[str]) -> bool:
    """Of a run with migrations the database itself tells; of one that only brought a version, its journal."""
    trace = trace_of(run)
    if trace.row_ids:
        return reality.state(trace) != "old"
    return run.outcome == "deployed" and bool(run.first(PREPARED)) and run.run_id not in undone
