"""What became of a run whose process gives no sign of life: the journal's word, and the database's. Read-only."""

from __future__ import annotations

from msgspec.structs import replace

from operations.approvals.model import Event, Outcome
from operations.context import Context
from operations.journal import STARTED, RunRecord, latest
from operations.migrations import formats
from operations.reality import judge, look

LOOKED_AT = 50
WELL = ("deployed", "nothing_to_do", "restored", "resolved")
BACK = "rolled_back"
STATES = {
    "old": "the database stands as it was before",
    "new": "the database stands as it should after it",
    "between": "the database stands half-way",
}


def found_of(context: Context, mark: str, outcome: Outcome) -> tuple[Event, Outcome]:
    """The run whose actor bears ``mark``: ended after all, or what is to be done about it."""
    record = next((one for one in latest(context, LOOKED_AT) if mark in str(one.first(STARTED).get("actor"))), None)
    command = context.command
    if record is None:
        said = "Who ran it gives no sign of life any more. The journal has no run of it: it had changed nothing yet."
        return Event.STUCK, replace(outcome, summary=said, hint=f"{command} status", error="interrupted")
    if record.outcome in (*WELL, BACK):
        return _ended(record, outcome)
    with context.database.session(purpose="look") as session:
        tool = formats.detect(context.files, context.environment.migrations)
        stands = STATES[judge(context, record, look(session, tool))]
    how = f"ended as {record.outcome}" if record.outcome else "was interrupted"
    said = f"Run {record.run_id} ({record.operation}) {how}; {stands}. It is not run again by itself."
    hint = f"{command} status shows it; the next run on this environment settles it first."
    return Event.STUCK, replace(outcome, summary=said, hint=hint, run_id=record.run_id, error="interrupted")


def _ended(record: RunRecord, outcome: Outcome) -> tuple[Event, Outcome]:
    well = record.outcome in WELL or record.operation == "rollback"
    said = f"Run {record.run_id} ({record.operation}) ended as {record.outcome}; who ran it died right after."
    ended = replace(outcome, summary=said, hint="", run_id=record.run_id, error=None if well else record.outcome)
    return (Event.DONE if well else Event.FAILED), ended
