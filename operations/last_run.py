"""How the environment's latest run ended, or how far it came: read-only, for status."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from operations.context import Context
from operations.journal import RunRecord, latest
from operations.lock import current_owner, is_alive
from operations.reality import MIGRATING, Reality, judge
from operations.traces import trace_of

SHOWN = ("deploy", "apply", "rollback", "restore", "restore --undo")
"""Runs that change what the database holds; backups do not."""
LOOKED_AT = 50


class LastRun(Struct, frozen=True):
    """``state``: whether the database stands as before the run (``old``), after it (``new``) or ``between``.

    ``unknown``: the history has forgotten what of it may be there, and the next run has to settle it.

    ``outcome`` is what the run itself or a later one recorded; ``running`` while it works, ``interrupted`` if it died.
    """

    run_id: str
    operation: str
    at: str
    outcome: str
    state: Literal["old", "new", "between", "unknown"]


def last_run(context: Context, reality: Reality) -> tuple[LastRun | None, tuple[str, ...]]:
    """The latest run that may have changed the database, and the ids of those that died and are not settled."""
    owner = current_owner(context)
    at_work = owner.run_id if owner and is_alive(context, owner) else None
    found = latest(context, LOOKED_AT)
    interrupted = tuple(record.run_id for record in found if not record.finished and record.run_id != at_work)
    newest = next((record for record in found if record.operation in SHOWN), None)
    return (_told(context, newest, reality, at_work) if newest else None), interrupted


def _told(context: Context, record: RunRecord, reality: Reality, at_work: str | None) -> LastRun:
    return LastRun(
        run_id=record.run_id,
        operation=record.operation,
        at=record.entries[0].at,
        outcome=record.outcome or ("running" if record.run_id == at_work else "interrupted"),
        state=_state(context, record, reality),
    )


def _state(context: Context, record: RunRecord, reality: Reality) -> Literal["old", "new", "between", "unknown"]:
    state = judge(context, record, reality)
    if state != "old" or record.operation not in MIGRATING or record.finished:
        return state
    from operations.forgotten import forgotten  # reads catalogs: a status that finds nothing of it need not load that

    return "unknown" if forgotten(context, trace_of(record), reality) else state
