"""What a run may have committed although the history tells nothing of it: not to be taken for the old state."""

from __future__ import annotations

from collections.abc import Sequence

from operations import catalog
from operations.context import Context
from operations.errors import DataWouldBeLost, NeedsAttention, StatementFailed
from operations.journal import STARTED, RunRecord, records
from operations.migrations.model import Format
from operations.ports import Session
from operations.reality import Reality, look
from operations.taken_back import taken_back
from operations.traces import RestorePoint, Trace


def refuse_forgotten(context: Context, trace: Trace, session: Session, format: Format) -> None:
    """Raise ``NeedsAttention`` where rows of a run are gone that had begun to run pieces, and it has left its mark.

    What runs piece by piece has its row from before the first one on. Neither a way back of ours has removed it, nor
    does another database, or what a person has recorded since, explain that it is gone.
    """
    reality, point = look(session, format), trace.restore_point
    gone = forgotten(context, trace, reality)
    if not gone or point is None:
        return
    lost = point.had_history and not reality.has_history
    other = "whose history is gone since" if lost else _differs(context, trace, point, session, format)
    if other is None:
        return
    names, first, command = ", ".join(gone), gone[0], context.command
    restored = f"{command} restore {point.backup_id} brings back what stood before. Or " if point.backup_id else ""
    raise NeedsAttention(
        f"Of {names} a part may be in the database ({other} run {trace.run_id}), but the history tells nothing of it "
        "any more: somebody, or a migration, has removed that.",
        hint=f"{restored or 'By hand: '}finish it, and say so by {command} resolve {first} --applied; or take it back, "
        f"and say so by {command} resolve {first} --rolled-back.",
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


def forgotten(context: Context, trace: Trace, reality: Reality) -> tuple[str, ...]:
    """Names of such migrations, as far as history and journals tell."""
    if reality.database_oid != trace.database_oid:
        return ()
    recorded = {row.name for row in reality.rows.values() if row.rolled_back_at is None}
    ids = trace.row_ids.items()
    gone = tuple(n for n, row_id in ids if n in trace.pieces_of and row_id not in reality.rows and n not in recorded)
    if not gone:
        return ()
    since = _since(records(context), trace.run_id)
    if any(trace.run_id in facts.get("runs", ()) for run in since for facts in run.all("undoing")):
        return ()
    told = {run.first(STARTED).get("migration") for run in since if run.operation == "resolve" and run.finished}
    return tuple(name for name in gone if name not in told)


def _since(runs: Sequence[RunRecord], run_id: str) -> Sequence[RunRecord]:
    ids = [run.run_id for run in runs]
    return runs[ids.index(run_id) :] if run_id in ids else runs


def _differs(context: Context, trace: Trace, point: RestorePoint, session: Session, format: Format) -> str | None:
    """In which way the database is not surely as at the restore point; ``None`` where schema and rows are the same."""
    if catalog.read(session, frozenset({format.place(session)})).fingerprint != point.fingerprint:
        return "which has not the schema from before"
    if point.backup_id is None:
        return None  # it held no tables
    from operations.down_proof import Proof, manifest_of
    from operations.down_scripts import NotThisWay

    before = manifest_of(context, point)
    try:
        with taken_back(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            Proof(context, session, format, (trace,), {}, point, (), before).prove_all_rows()
    except NotThisWay:
        return "whose rows are not surely those from before"
    except StatementFailed as error:
        return f"whose rows could not be compared, {error.message}, with those from before"
    return None
