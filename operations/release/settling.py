"""The application after a run that died: brought to the version that fits the database as it was settled."""

from __future__ import annotations

from operations.context import Context
from operations.errors import LocktenderError
from operations.journal import STARTED, Journal, RunRecord, read
from operations.release.model import PlannedRelease, Version
from operations.release.release import PREPARED, STARTING, STOPPING, Release, machines_of
from operations.traces import State


def release_of(context: Context, journal: Journal, record: RunRecord) -> Release | None:
    """A run's release as its journal tells it; ``None`` where it had none, or had not begun with it.

    ``journal`` is where the next effects are written down.
    """
    app, facts = context.environment.app, record.first(PREPARED)
    if app is None or not facts:
        return None
    names = tuple(machine.name for machine in machines_of(context, app))
    planned = PlannedRelease(facts.get("ref"), facts["commit"], app.services, names, app.wave)
    release = Release(context, app, planned, record.run_id, journal)
    release.before = tuple(Version.from_json(one) for one in facts["before"])
    release.begun = True
    release.stopped, release.started = record.tells(STOPPING), record.tells(STARTING)
    return release


def settle_release(context: Context, journal: Journal, record: RunRecord, state: State) -> str:
    """Forward where the database is in the ``new`` state, else back; says in a sentence what came of it, or nothing.

    What does not come up is said, and no reason to stop: a later deploy may be just what mends it.
    """
    release = release_of(context, journal, record)
    if release is None:
        return ""
    version = "new version" if state == "new" else "version before"
    try:
        if state == "new":
            release.go_forward()
        else:
            release.quiet()
            release.go_back()
    except LocktenderError as error:
        return f" The application's {version} could not be started: {error.message}"
    return f" The application runs its {version}."


def settle_rollback(context: Context, journal: Journal, record: RunRecord, state: State) -> str:
    """The application that a dead rollback had stopped: in the version before if the database is, else as it was."""
    if not record.tells(STOPPING):
        return ""
    undone = (read(context, run_id) for run_id in record.first(STARTED).get("undoes", ()))
    found = [release for run in undone if run and (release := release_of(context, journal, run))]
    if not found:
        return ""
    release = found[-1]
    release.started = True
    try:
        if state == "new":
            release.go_back()
        else:
            release.resume()
    except LocktenderError as error:
        return f" The application could not be started: {error.message}"
    return f" The application runs {'its version before' if state == 'new' else 'as it did'}."
