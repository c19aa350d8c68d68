"""Rollback: the database as it was before the last deploy, or before a named run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from operations.advisory import STEADY, lock_database
from operations.context import Context
from operations.errors import (
    ConnectionLost,
    DatabaseUnreachable,
    LockHeld,
    LocktenderError,
    NeedsAttention,
    NotFound,
)
from operations.journal import Journal, RunRecord, read, records
from operations.layout import new_id
from operations.lock import held
from operations.migrations import formats
from operations.migrations.model import Format
from operations.outcome import DeployResult
from operations.pooler import refuse_pooler
from operations.ports import Session
from operations.reality import MIGRATING, Reality, look
from operations.settling import clean, settle
from operations.traces import Trace, trace_of
from operations.undoing import Rollback, foresee, undo


def rollback(
    context: Context, *, run_id: str | None = None, accept_data_loss: bool = False, dry_run: bool = False
) -> DeployResult:
    """Undo the last deploy, or everything since before ``run_id``.

    By the migrations' own way down where that is proven, else by restoring the backup from just before and swapping it
    in; then the database as it was stays beside it. Raises ``DataWouldBeLost`` if others have written since and
    ``accept_data_loss`` is not set; ``NotFound`` for an unknown run, or if there is nothing to undo.
    """
    own_id = new_id(context.clock.now(), secrets.token_hex(3))
    format = formats.detect(context.files, context.environment.migrations)
    if dry_run:
        with context.database.session(purpose="plan") as session:
            traces = runs_to_undo(records(context), look(session, format), run_id)
            return DeployResult(own_id, "planned", notes=foresee(context, traces, session, format))
    with held(context, "rollback", own_id) as lock:
        refuse_pooler(context)
        # A named run may be the very one that could not be settled: then it is undone here, not before.
        notes = settle(context, lock) if run_id is None else clean(context)
        session = context.database.connect(purpose=f"run {own_id}")
        try:
            session.reset(STEADY)
            lock_database(context, session, format.lock_id)
            traces = runs_to_undo(records(context), look(session, format), run_id)
            journal = Journal.open(context, lock, "rollback", undoes=[trace.run_id for trace in traces])
            way = _undo(context, journal, traces, session, format, accept_data_loss)
        finally:
            session.close()
        journal.finish("rolled_back", rollback=way.method)
    point = traces[-1].restore_point
    return DeployResult(own_id, "rolled_back", rollback=way, backup_id=point.backup_id if point else None, notes=notes)


def _undo(
    context: Context,
    journal: Journal,
    traces: Sequence[Trace],
    session: Session,
    format: Format,
    accept_data_loss: bool,
) -> Rollback:
    completed = any(run.finished for run in (read(context, trace.run_id) for trace in traces) if run)
    try:
        return undo(context, journal, traces, session, format, completed=completed, accept_data_loss=accept_data_loss)
    except (ConnectionLost, DatabaseUnreachable, KeyboardInterrupt) as lost:
        if not _is_undone(context, traces, format):
            journal.finish("failed", error=str(lost))
            raise
        return Rollback("down", lossless=not accept_data_loss)
    except LocktenderError as error:
        journal.finish("failed", error=error.message, code=error.code)
        raise


def _is_undone(context: Context, traces: Sequence[Trace], format: Format) -> bool:
    """Whether the last COMMIT took effect, although nobody could tell us. Raises ``NeedsAttention``."""
    try:
        with context.database.session(purpose="look") as session:
            lock_database(context, session, format.lock_id)
            reality = look(session, format)
    except (ConnectionLost, DatabaseUnreachable, LockHeld) as error:
        raise NeedsAttention(
            f"It cannot be told yet whether the rollback took effect: {error.message}",
            hint=f"{context.command} status says it, once the database answers.",
        ) from error
    return all(reality.state(trace) == "old" for trace in traces)


def runs_to_undo(history: Sequence[RunRecord], reality: Reality, run_id: str | None) -> tuple[Trace, ...]:
    """The deploys that are in the database, wholly or partly, and are to be undone, newest first. Pure.

    Without ``run_id`` that is the last one; with it, that one and all after it.
    """
    traces = [trace_of(record) for record in reversed(history) if record.operation in MIGRATING]
    standing = [trace for trace in traces if reality.state(trace) != "old"]
    if not standing:
        raise NotFound("There is no deploy to undo.", hint="backup list shows what there is to restore.")
    if run_id is None:
        return (standing[0],)
    ids = [trace.run_id for trace in standing]
    if run_id not in ids:
        raise NotFound(
            f"Run {run_id} is not a deploy that is in the database now.", hint=f"Those are: {', '.join(ids)}."
        )
    return tuple(standing[: ids.index(run_id) + 1])
