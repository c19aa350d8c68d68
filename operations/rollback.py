"""Rollback: the database as it was before the last deploy, or before a named run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from operations.advisory import lock_database
from operations.context import Context
from operations.errors import LocktenderError, NotFound
from operations.journal import Journal, RunRecord, read, records
from operations.layout import new_id
from operations.lock import held
from operations.migrating import DeployResult
from operations.migrations import formats
from operations.pooler import refuse_pooler
from operations.reality import MIGRATING, Reality, look
from operations.settling import clean, settle
from operations.traces import Trace, trace_of
from operations.undoing import foresee, undo


def rollback(
    context: Context, *, run_id: str | None = None, accept_data_loss: bool = False, dry_run: bool = False
) -> DeployResult:
    """Undo the last deploy, or everything since before ``run_id``.

    By the migrations' own way down where that is proven, else by restoring the backup from just before and swapping it
    in; then the database as it was stays beside it. Raises ``DataWouldBeLost`` if others have written since and
    ``accept_data_loss`` is not set; ``NotFound`` for an unknown run, or if there is nothing to undo.
    """
    own_id = new_id(context.clock.now(), secrets.token_hex(3))
    format = formats.detect(context.host, context.environment.migrations)
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
            lock_database(context, session, format.lock_id)
            traces = runs_to_undo(records(context), look(session, format), run_id)
            journal = Journal.open(context, lock, "rollback", undoes=[trace.run_id for trace in traces])
            try:
                way = undo(
                    context,
                    journal,
                    traces,
                    session,
                    format,
                    completed=_completed(context, traces),
                    accept_data_loss=accept_data_loss,
                )
            except LocktenderError as error:
                journal.finish("failed", error=error.message, code=error.code)
                raise
        finally:
            session.close()
        journal.finish("rolled_back", rollback=way.method)
    point = traces[-1].restore_point
    return DeployResult(own_id, "rolled_back", rollback=way, backup_id=point.backup_id if point else None, notes=notes)


def _completed(context: Context, traces: Sequence[Trace]) -> bool:
    runs = (read(context, trace.run_id) for trace in traces)
    return any(run is not None and run.outcome == "deployed" for run in runs)


def runs_to_undo(history: Sequence[RunRecord], reality: Reality, run_id: str | None) -> tuple[Trace, ...]:
    """The deploys that are in the database, wholly or partly, and are to be undone, newest first. Pure.

    Without ``run_id`` that is the last one; with it, that one and all after it.
    """
    traces = [trace_of(record) for record in reversed(history) if record.operation in MIGRATING]
    standing = [trace for trace in traces if reality.state(trace) != "old"]
    if not standing:
        raise NotFound("There is no deploy to undo.", hint="locktender backup list shows what there is to restore.")
    if run_id is None:
        return (standing[0],)
    ids = [trace.run_id for trace in standing]
    if run_id not in ids:
        raise NotFound(
            f"Run {run_id} is not a deploy that is in the database now.", hint=f"Those are: {', '.join(ids)}."
        )
    return tuple(standing[: ids.index(run_id) + 1])
