"""What a run may have committed although the history tells nothing of it: not to be taken for the old state."""

from __future__ import annotations

from collections.abc import Sequence

from operations import catalog
from operations.context import Context
from operations.errors import DataWouldBeLost, NeedsAttention
from operations.journal import records
from operations.migrations.model import Format
from operations.ports import Session
from operations.reality import Reality, look
from operations.traces import Trace


def refuse_forgotten(context: Context, trace: Trace, session: Session, format: Format) -> None:
    """Raise ``NeedsAttention`` where rows of a run are gone that had begun to run pieces, and the schema is another.

    What runs piece by piece has its row from before the first one on. Neither a way back of ours has removed it, nor
    does another database, or what a person has recorded since, explain that it is gone.
    """
    gone, point = _gone(trace, look(session, format)), trace.restore_point
    if not gone or point is None or _was_undone(context, trace):
        return
    if catalog.read(session, frozenset({format.place(session)})).fingerprint == point.fingerprint:
        return
    names, command = ", ".join(gone), context.command
    restored = f"{command} restore {point.backup_id} brings back what stood before. Or " if point.backup_id else ""
    raise NeedsAttention(
        f"Of {names} a part may be in the database, which has not the schema from before run {trace.run_id}, but the "
        "history tells nothing of it any more: somebody, or a migration, has removed that.",
        hint=f"{restored or 'By hand: '}finish it, and record it by {command} resolve NAME --applied; or take it back, "
        f"and {command} deploy finds the schema as it was.",
    )


def refuse_forgotten_commits(context: Context, applied: Sequence[str]) -> None:
    """Raise ``DataWouldBeLost`` where the history tells of nothing, though this process has seen commits."""
    if applied:
        command = context.command
        raise DataWouldBeLost(
            f"{', '.join(applied)} was committed, but the history tells nothing of it any more: somebody, or a "
            "migration, has removed that.",
            hint=f"{command} resolve NAME --applied records it again; {command} backup list shows what there is to go "
            "back to.",
        )


def _gone(trace: Trace, reality: Reality) -> list[str]:
    if reality.database_oid != trace.database_oid:
        return []
    recorded = {row.name for row in reality.rows.values() if row.rolled_back_at is None}
    ids = trace.row_ids.items()
    return [n for n, row_id in ids if n in trace.pieces_of and row_id not in reality.rows and n not in recorded]


def _was_undone(context: Context, trace: Trace) -> bool:
    return any(trace.run_id in facts.get("runs", ()) for run in records(context) for facts in run.all("undoing"))
