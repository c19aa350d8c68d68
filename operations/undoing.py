"""The way back from runs that are wholly or partly in the database: the cheapest that provably loses nothing.

The ladder: nothing was committed (the transaction undid it) → the migrations' own ``down.sql``, or the inverse of each
statement, run in one transaction and kept only if schema and rows are then what they were → the restore point, restored
beside and swapped in, if nobody else has written since. Below that is a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from operations.context import Context
from operations.counting import written_by_others
from operations.downs import NotThisWay, downs_of, go_down
from operations.errors import DataWouldBeLost, NeedsAttention
from operations.journal import Journal, read
from operations.migrations.model import Format
from operations.ports import Session
from operations.reality import Reality, look
from operations.traces import Trace, trace_of
from operations.writes import Written, counters


@dataclass(frozen=True)
class Rollback:
    """How the old state was brought back. ``kept_database`` is what a swap left beside the live one."""

    method: Literal["transaction", "down", "swap"]
    lossless: bool
    kept_database: str | None = None


def put_back(context: Context, journal: Journal, session: Session, format: Format) -> Rollback:
    """Bring back what stood before the journal's own run. Raises ``NeedsAttention`` where that could lose data."""
    record = read(context, journal.run_id)
    assert record is not None  # noqa: S101 - it is the journal we are writing
    return undo(context, journal, (trace_of(record),), session, format, completed=False)


def undo(
    context: Context,
    journal: Journal,
    traces: Sequence[Trace],
    session: Session,
    format: Format,
    *,
    completed: bool,
    accept_data_loss: bool = False,
) -> Rollback:
    """Go back to before the last of ``traces``, which are ordered newest first.

    ``completed``: one of the runs had succeeded, so that applications may have begun to use what it had added.
    ``session`` must hold the migration lock; a swap ends it. What is done stands in ``journal``.
    """
    reality = look(session, format)
    if all(reality.state(trace) == "old" for trace in traces):
        return Rollback("transaction", lossless=True)
    written = _written_by_others(context, traces[-1], reality, session, format.history_table)
    try:
        lossless = go_down(
            context,
            journal,
            traces,
            session,
            format,
            written,
            completed=completed,
            accept_data_loss=accept_data_loss,
        )
        return Rollback("down", lossless)
    except NotThisWay as refused:
        reason = str(refused)
    if written.certain_none or accept_data_loss:
        from operations.returning import swap_back  # restores are rare: a deploy that succeeds need not load them

        kept = swap_back(context, journal, traces[-1], session, format.history_table, accept_data_loss=accept_data_loss)
        return Rollback("swap", lossless=written.certain_none, kept_database=kept)
    raise _would_lose(context, traces[-1], written, reason)


def _written_by_others(
    context: Context, origin: Trace, reality: Reality, session: Session, history_table: str
) -> Written:
    if origin.restore_point is None:
        raise NeedsAttention(
            f"Run {origin.run_id} has no restore point.",
            hint=f"{context.command} backup list shows what there is to restore.",
        )
    if origin.database_oid != reality.database_oid:
        return Written.unknown("the database was replaced by a restore since that run")
    return written_by_others(context, origin, session, counters(session), history_table)


def _would_lose(context: Context, origin: Trace, written: Written, reason: str) -> DataWouldBeLost:
    return DataWouldBeLost(
        f"To go back to before run {origin.run_id} could lose data, so it was not done: others have written since "
        f"({written}), and by script it cannot be undone ({reason}).",
        hint=f"To go back all the same: {context.command} rollback --run {origin.run_id} --accept-data-loss --yes "
        "(the database as it is now is kept beside). To go on instead: repair what failed, then "
        f"{context.command} deploy.",
    )


def foresee(context: Context, traces: Sequence[Trace], session: Session, format: Format) -> tuple[str, ...]:
    """What ``undo`` would do, as sentences; changes nothing."""
    reality = look(session, format)
    written = _written_by_others(context, traces[-1], reality, session, format.history_table)
    folder = {migration.name: migration for migration in format.read(context.host, context.environment.migrations)}
    said = [f"Would undo run {trace.run_id}: {', '.join(trace.row_ids)}." for trace in traces]
    said.append(f"Written by others since: {written}.")
    try:
        downs = [down for trace in traces for down in downs_of(trace, reality.rows, folder)]
        said.append("First by script, kept only if schema and rows are then as they were:")
        said += [f"-- {down.migration}\n{down.script.strip()}" for down in downs]
    except NotThisWay as refused:
        said.append(f"Not by script: {refused}.")
    if written.certain_none:
        said.append(f"Otherwise by swapping in the restore point of run {traces[-1].run_id}.")
    else:
        said.append("Not by swapping in the restore point, unless --accept-data-loss is given.")
    return tuple(said)
