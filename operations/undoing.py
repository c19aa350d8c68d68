"""The way back from runs that are wholly or partly in the database: the cheapest that provably loses nothing.

The ladder: nothing was committed (the transaction undid it) → the migrations' own ``down.sql``, or the inverse of each
statement, run in one transaction and kept only if schema and rows are then what they were → the restore point, restored
beside and swapped in, if nobody else has written since. Below that is a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from operations.context import Context
from operations.down_scripts import NotThisWay, downs_of
from operations.downs import Undoing, go_down, written_since
from operations.errors import DataWouldBeLost, NeedsAttention, StatementFailed
from operations.forgotten import refuse_forgotten
from operations.journal import Journal, read
from operations.left_prepared import end_prepared
from operations.migrations.model import Format
from operations.outlasting import outlasting
from operations.ports import Session
from operations.reality import Reality, look
from operations.sequences import Positions, put_forward
from operations.traces import Trace, trace_of
from operations.writes import Written


class Rollback(Struct, frozen=True):
    """How the old state was brought back. ``kept_database`` is what a swap left beside the live one.

    ``notes`` are sentences on what else was done; ``stays`` on what lies beyond the database, which no way back
    reaches.
    """

    method: Literal["transaction", "down", "swap"]
    lossless: bool
    kept_database: str | None = None
    notes: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Both, to be said after a sentence."""
        return "".join(f" {one}" for one in (*self.notes, *self.stays))


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
    reality, origin = look(session, format), traces[-1]
    same = origin.database_oid == reality.database_oid
    undoing = Undoing(context, journal, traces, session, format, completed, accept_data_loss, same)
    ended = [one for trace in traces for one in end_prepared(trace, session, reality.rows)]
    if all(reality.state(trace) == "old" for trace in traces):
        for trace in traces:
            refuse_forgotten(context, trace, session, format)
        way = Rollback("transaction", lossless=True)
    else:
        way = _by_scripts_or_swap(undoing, reality)
    if way.method != "swap" and same and not completed and origin.row_ids and origin.restore_point:
        ended += _put_forward(session, origin.restore_point.positions)
    return replace(way, notes=tuple(ended), stays=outlasting(context, traces, reality, format))


def _put_forward(session: Session, positions: Positions) -> tuple[str, ...]:
    try:
        return put_forward(session, positions)
    except StatementFailed as error:
        return (f"Whether sequences stand where they stood could not be seen ({error.message}).",)


def _by_scripts_or_swap(undoing: Undoing, reality: Reality) -> Rollback:
    context, origin = undoing.context, undoing.traces[-1]
    _refuse_without_point(context, origin)
    try:
        return Rollback("down", go_down(undoing))
    except NotThisWay as refused:
        reason = str(refused)
    written = undoing.written()
    if written.certain_none or undoing.accept_data_loss:
        return _swap(undoing, lossless=written.certain_none)
    raise _would_lose(context, origin, reality, written, reason)


def _refuse_without_point(context: Context, origin: Trace) -> None:
    if origin.restore_point is None:
        raise NeedsAttention(
            f"Run {origin.run_id} has no restore point.",
            hint=f"{context.command} backup list shows what there is to restore.",
        )


def _swap(undoing: Undoing, *, lossless: bool) -> Rollback:
    """Swap the restore point in: without a loss where that holds until the very end, else as it was accepted."""
    from operations.returning import swap_back  # restores are rare: a deploy that succeeds need not load them

    def swapped(accept_data_loss: bool) -> str:
        return swap_back(
            undoing.context,
            undoing.journal,
            undoing.traces[-1],
            undoing.session,
            undoing.format.history_table,
            accept_data_loss=accept_data_loss,
        )

    if lossless:
        try:
            return Rollback("swap", lossless=True, kept_database=swapped(False))
        except DataWouldBeLost as refused:
            if not undoing.accept_data_loss:
                refused.hint = _all_the_same(undoing.context, undoing.traces[-1])
                raise
    return Rollback("swap", lossless=False, kept_database=swapped(True))


def _would_lose(context: Context, origin: Trace, reality: Reality, written: Written, reason: str) -> DataWouldBeLost:
    command = context.command
    rows = {name: reality.rows[row_id] for name, row_id in origin.row_ids.items() if row_id in reality.rows}
    half_done = [name for name, row in rows.items() if row.finished_at is None and row.rolled_back_at is None]
    whole = [name for name, row in rows.items() if row.finished_at is not None]
    stands = f" Of it there stand {', '.join([*whole, f'a part of {half_done[0]}'])}." if half_done else ""
    others = "others have written since" if written.reason is None else "others may have written since"
    go_on = f"{command} deploy."
    if half_done:
        by_hand = f"undo by hand what {half_done[0]} has left, then {command} resolve {half_done[0]} --rolled-back"
        go_on = f"{by_hand}; repair its file, then {command} deploy."
    return DataWouldBeLost(
        f"To go back to before run {origin.run_id} could lose data, so it was not done: {others} ({written}), and by "
        f"script it cannot be undone ({reason}).{stands}",
        hint=f"{_all_the_same(context, origin)} To go on instead: {go_on}",
    )


def _all_the_same(context: Context, origin: Trace) -> str:
    return (
        f"To go back all the same: {context.command} rollback --run {origin.run_id} --accept-data-loss --yes "
        "(what a swap replaces is kept beside)."
    )


def would_undo(context: Context, traces: Sequence[Trace], session: Session, format: Format) -> tuple[str, ...]:
    """What ``undo`` would do, as sentences; changes nothing."""
    reality = look(session, format)
    _refuse_without_point(context, traces[-1])
    same = traces[-1].database_oid == reality.database_oid
    written = written_since(context, traces[-1], session, format, same)
    folder = {migration.name: migration for migration in format.read(context.files, context.environment.migrations)}
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
    said += [f"Stays: {one}" for one in outlasting(context, traces, reality, format)]
    return tuple(said)
