"""The application after a run that died: its release as the journal tells it, brought to what fits the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from operations.context import Context
from operations.errors import LocktenderError
from operations.journal import STARTED, Journal, RunRecord, read
from operations.release.events import GOING_BACK, PREPARED, STARTING, STOPPING
from operations.release.model import PlannedRelease, Version
from operations.release.release import Release, machines_of
from operations.traces import State


def release_of(context: Context, journal: Journal, record: RunRecord) -> Release | None:
    """A run's release; ``None`` where it had none, or had not begun with it.

    Its machines are those of the run that the configuration still names, its services those of the run. ``journal`` is
    where the next effects are written down.
    """
    configured, facts = context.environment.app, record.first(PREPARED)
    if configured is None or not facts:
        return None
    app = structs.replace(configured, services=tuple(facts["services"]))
    before = tuple(Version.from_json(one) for one in facts["before"])
    concerned = {version.machine for version in before}
    machines = tuple(machine for machine in machines_of(context, app) if machine.key in concerned)
    names = tuple(machine.name for machine in machines)
    planned = PlannedRelease(facts["ref"], facts["commit"], app.services, names, app.wave)
    return Release(
        context,
        app,
        planned,
        record.run_id,
        journal,
        machines,
        before=before,
        database_commit=facts["database_commit"],
        begun=True,
        stopped=record.tells(STOPPING),
        started=frozenset(key for one in record.all(STARTING) for key in one["machines"]),
    )


def release_undone(context: Context, journal: Journal, runs: Sequence[RunRecord]) -> Release | None:
    """Of runs that are undone together, newest first, the oldest one's release: what was before it comes back."""
    found = [release for run in runs if (release := release_of(context, journal, run))]
    if not found:
        return None
    # Whether it was stopped then says nothing now; where it runs, it is what must go.
    return replace(found[-1], stopped=False, started=frozenset(machine.key for machine in found[-1].machines))


def settle_rollback(context: Context, journal: Journal, record: RunRecord, state: State) -> str:
    """The application that a dead rollback had stopped: in the version before if the database is, else as it was."""
    if not (record.tells(STOPPING) or record.tells(GOING_BACK)):
        return ""
    undone = [run for run_id in record.first(STARTED).get("undoes", ()) if (run := read(context, run_id))]
    release = release_undone(context, journal, undone)
    if release is None:
        return ""
    try:
        if state == "new":
            release.go_back()
        else:
            release.resume()
    except LocktenderError as error:
        return f" The application could not be started: {error.message}"
    return f" The application runs {'its version before' if state == 'new' else 'as it did'}."
