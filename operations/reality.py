"""What the database says of a run, beside what its journal says."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from operations.context import Context
from operations.journal import RunRecord, read
from operations.migrations.model import Format, HistoryRow
from operations.ports import Session
from operations.release.events import GOING_BACK
from operations.traces import State, Trace, state_of, trace_of

MIGRATING = ("deploy", "apply")


class Reality(Struct, frozen=True):
    """The database as it is now; ``rows`` of its history table, by id."""

    database_oid: int
    rows: Mapping[str, HistoryRow]
    has_history: bool

    def state(self, trace: Trace) -> State:
        """Where a deploy has left it."""
        return state_of(trace, self.rows, self.has_history, self.database_oid)


def look(session: Session, format: Format) -> Reality:
    """Read it; two queries."""
    rows = format.history(session)
    ((oid,),) = session.rows("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
    return Reality(oid, {row.id: row for row in rows or ()}, rows is not None)


def judge(context: Context, record: RunRecord, reality: Reality) -> State:
    """Which state a run has left, also one that died: the one before it, the one after it, or one in between."""
    if record.operation in MIGRATING and record.first("baseline") and not record.first("apply_planned"):
        return "new" if record.outcome == "deployed" else "old"
    if record.operation in MIGRATING:
        return reality.state(trace_of(record))
    if record.tells(GOING_BACK):
        return "new"
    swap, undoing = record.last("swap_started"), record.last("undoing")
    if swap:
        return "new" if reality.database_oid == swap["incoming_oid"] else "old"
    if not undoing:
        return "old"
    undone = (read(context, run_id) for run_id in undoing["runs"])
    return "new" if all(reality.state(trace_of(run)) == "old" for run in undone if run) else "old"
