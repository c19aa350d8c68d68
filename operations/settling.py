"""What dead runs left behind is looked at and settled before anything new begins.

A run that died says in its journal what it was about to do; whether it did is looked up in the database. It then counts
as done, or is undone as a failure would have been, or a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from operations.advisory import POLL, locked_session
from operations.backup_leftovers import remove_leftovers
from operations.context import Context
from operations.errors import (
    AppNotWell,
    CommandFailed,
    ConnectionLost,
    DatabaseMissing,
    DatabaseUnreachable,
    DataWouldBeLost,
    HistoryConflict,
    HostError,
    LockHeld,
    LocktenderError,
    NeedsAttention,
)
from operations.journal import Journal, RunRecord, is_known, records
from operations.layout import scratch_prefix, state_directory
from operations.lock import PRESUMED_DEAD, Lock
from operations.migrations import formats
from operations.migrations.model import Format
from operations.ports import Session
from operations.quoting import identifier
from operations.reality import MIGRATING, judge, look
from operations.scratch import scratch_databases, users
from operations.traces import Trace, at_a_boundary, trace_of
from operations.undoing import undo

if TYPE_CHECKING:
    from operations.release.release import Release

ENDING = 10.0
"""Seconds that a server process may take to end after it was told to."""
_PROCESSES = """
    SELECT pid, split_part(application_name, ' ', 3), NULL FROM pg_stat_activity
    WHERE application_name ~ '^locktender (run|settle) [0-9A-Za-z-]+$'
      AND datname = current_database() AND usename = session_user AND pid <> pg_backend_pid()
    UNION ALL
    SELECT pid, NULL, split_part(query, '"', 2) FROM pg_stat_activity
    WHERE starts_with(query, %s) AND state = 'active' AND usename = session_user AND pid <> pg_backend_pid()
"""
"""Of runs, and of those who are making a scratch database: the process, its run, that database."""


def settle(context: Context, lock: Lock) -> tuple[str, ...]:
    """Clean up, and settle every run that died; what was found, as sentences.

    Raises ``NeedsAttention`` where neither the old state nor the new one can be reached without losing data.
    """
    clean(context, lock)
    return tuple(_settle(context, lock, record) for record in unfinished(context, lock.owner.run_id))


def settle_if_possible(context: Context, lock: Lock) -> tuple[str, ...]:
    """The same, for runs that may go on in whatever state the database is: what needs a person is only said."""
    try:
        return settle(context, lock)
    except DatabaseMissing:
        return ()
    except (HistoryConflict, NeedsAttention) as error:
        return (error.message,)


def unfinished(context: Context, but: str | None = None) -> tuple[RunRecord, ...]:
    """Runs that have no end in their journal, oldest first, without run ``but``."""
    return tuple(record for record in records(context) if not record.finished and record.run_id != but)


def clean(context: Context, lock: Lock) -> tuple[str, ...]:
    """Remove what no run owns any more; the caller holds the lock. Returns what was removed."""
    host, environment = context.host, context.environment
    removed = remove_leftovers(context)
    state = state_directory(environment)
    for name in host.list(state):
        if name.startswith("lock.") and host.age(f"{state}/{name}") > PRESUMED_DEAD:
            with suppress(HostError):
                host.remove(f"{state}/{name}")
    return (*removed, *_end_leftovers(context, lock))


def _end_leftovers(context: Context, lock: Lock) -> tuple[str, ...]:
    """End server processes that nobody waits for any more, and drop scratch databases that nobody uses.

    Behind a line that fell silent one can hold the migration lock for hours. What they had begun to commit is waited
    for; of what does not end in time, whoever needs the lock is told.
    """
    until = context.clock.now() + ENDING
    with context.database.session(purpose="clean up") as session:
        session.execute("SET ROLE NONE")  # a role that became another one at its login may still end its own sessions
        while True:
            processes, names = _left(context, lock, session)
            if not processes or context.clock.now() >= until:
                break
            session.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (processes,))
            context.clock.sleep(POLL)
    if names:
        from operations.beside import drop
    for name in names:
        drop(context, name)
    return tuple(names)


def _left(context: Context, lock: Lock, session: Session) -> tuple[list[int], list[str]]:
    """Processes of runs that are over; and of scratch databases that no other run uses, those and who is making them.

    One in the making shows only when it is done, and the server goes on with it when the client has died: so the
    databases are asked for after it.
    """
    begin = identifier(scratch_prefix(context.environment, context.database.target.database))[:-1]
    processes = session.rows(_PROCESSES, (f"CREATE DATABASE {begin}",))
    names = scratch_databases(context, session)
    known = {*names, *(name for _, _, name in processes if name)}
    using = users(session, known) if known else []
    used = {name for _, run_id, name in using if not _is_over(context, lock, run_id)}
    ended = [
        pid
        for pid, run_id, name in (*processes, *using)
        if (_is_over(context, lock, run_id) if run_id else name not in used)
    ]
    return ended, [name for name in names if name not in used]


def _is_over(context: Context, lock: Lock, run_id: str | None) -> bool:
    """Whose journal is ours is over, since we hold the environment's lock."""
    if run_id in (None, lock.owner.run_id):
        return False
    return run_id == lock.displaced or is_known(context, run_id)


def _settle(context: Context, lock: Lock, record: RunRecord) -> str:
    from operations.release.settling import release_of, settle_rollback

    journal = Journal.reopen(context, lock, record.run_id)
    if record.operation in MIGRATING:
        release = release_of(context, journal, record)
        try:
            settled = _settle_migrating(context, journal, trace_of(record))
        except NeedsAttention as error:
            error.message += " The application is stopped." if release and release.stopped else ""
            raise
        if release:
            settled = _with_application(context, journal, trace_of(record), release, settled)
        journal.finish(settled.outcome, settled_by=lock.owner.run_id, **settled.facts)
        return settled.said
    with context.database.session(purpose="settle") as session:
        state = judge(context, record, look(session, _format(context)))
    when = "after its work was done" if state == "new" else "before it changed anything"
    said = f"Run {record.run_id} ({record.operation}) had died {when}; the {state} state stands."
    if record.into:
        said += f" Database {record.into!r}, should it be there, may hold only a part of the backup."
    said += settle_rollback(context, journal, record, state)
    # A rollback that had done its work is one: what it has undone must not count as deployed.
    outcome = "rolled_back" if record.operation == "rollback" and state == "new" else "interrupted"
    journal.finish(outcome, state=state, settled_by=lock.owner.run_id)
    return said


def _format(context: Context) -> Format:
    return formats.detect(context.files, context.environment.migrations)


class _Settled(Struct, frozen=True):
    """What became of a run: ``outcome`` and ``facts`` for its journal, and which schema the application now meets."""

    outcome: str
    state: Literal["old", "new"]
    said: str
    facts: Mapping[str, Any]


def _settle_migrating(context: Context, journal: Journal, trace: Trace) -> _Settled:
    format = _format(context)
    with _locked(context, trace, format) as session:
        state = look(session, format).state(trace)
        if state == "new":
            said = f"Run {trace.run_id} had died after all its work was committed; the new state stands."
            return _Settled("deployed", "new", said, {"state": "new"})
        if state == "old":
            way = undo(context, journal, (trace,), session, format, completed=False)
            said = f"Run {trace.run_id} had died and left nothing behind; the old state stands.{way.told}"
            return _Settled("rolled_back", "old", said, {"state": "old"})
        return _settle_between(context, journal, trace, session, format)


def _locked(context: Context, trace: Trace, format: Format) -> AbstractContextManager[Session]:
    """Waits for the dead client's server process: it may still be at work, and may still commit."""
    return locked_session(context, format.lock_id, f"settle {trace.run_id}")


def _unsettled(context: Context, trace: Trace, error: LocktenderError) -> NeedsAttention:
    ways = (
        f"{context.command} rollback --run {trace.run_id} --accept-data-loss --yes goes back all the same. Or put the "
        f"rest right by hand, and say what is true then: {context.command} resolve NAME --applied, or --rolled-back."
    )
    return NeedsAttention(
        f"Run {trace.run_id} died in the middle of {', '.join(trace.row_ids)}, and cannot be undone by itself: "
        f"{error.message}",
        hint=error.hint if isinstance(error, DataWouldBeLost) else ways,
    )


def _settle_between(context: Context, journal: Journal, trace: Trace, session: Session, format: Format) -> _Settled:
    rows = look(session, format).rows
    try:
        rollback = undo(context, journal, (trace,), session, format, completed=False)
    except (ConnectionLost, DatabaseUnreachable, LockHeld):
        raise  # nothing is known yet: the next run tries again
    except LocktenderError as error:
        if not at_a_boundary(trace, rows):
            raise _unsettled(context, trace, error) from error
        present = [name for name, row_id in trace.row_ids.items() if row_id in rows]
        said = (
            f"Run {trace.run_id} had died after {', '.join(present)} and before the rest. Those stay, whole, and the "
            f"rest is pending. {error.message} {error.hint or ''}"
        ).rstrip()
        # The version before ran while others wrote, and no other version fits what stands in between.
        return _Settled("partial", "old", said, {"state": "between", "applied": present})
    said = f"Run {trace.run_id} had died half-way and was undone ({rollback.method}); the old state stands."
    said += rollback.told
    return _Settled("rolled_back", "old", said, {"state": "old", "rollback": rollback.method})


def _with_application(
    context: Context, journal: Journal, trace: Trace, release: Release, settled: _Settled
) -> _Settled:
    """The version that fits the database. What does not come up is no reason to stop: a later deploy may mend it."""
    if settled.state == "old":
        return replace(settled, said=settled.said + _back(release))
    try:
        release.go_forward()
    except (AppNotWell, CommandFailed) as error:
        return _taken_back(context, journal, trace, release, error)
    except LocktenderError as error:
        return replace(settled, said=f"{settled.said} The application could not be started: {error.message}")
    return replace(settled, said=f"{settled.said} The application runs its new version.")


def _back(release: Release) -> str:
    try:
        release.go_back()
    except LocktenderError as error:
        return f" The application's version before could not be brought back: {error.message}"
    return " The application runs its version before."


def _taken_back(context: Context, journal: Journal, trace: Trace, release: Release, error: LocktenderError) -> _Settled:
    """A new version that does not come up, perhaps why the run was ended: undone as it would have been by the run."""
    said = f"Run {trace.run_id} had died after all its work was committed, and its version does not come up:"
    said = f"{said} {error.message}"
    format = _format(context)
    with suppress(LocktenderError):
        release.quiet()
    try:
        with _locked(context, trace, format) as session:
            # It may have been at work for long before: what it had added may be in use.
            rollback = undo(context, journal, (trace,), session, format, completed=True)
    except (ConnectionLost, DatabaseUnreachable, LockHeld):
        raise  # nothing is known yet: the next run tries again
    except LocktenderError as refused:
        kept = f"{said} The database keeps the new state: {refused.message}{_back(release)}"
        return _Settled("needs_attention", "new", kept, {"state": "new"})
    undone = f"{said} It was undone ({rollback.method}); the old state stands.{rollback.told}{_back(release)}"
    return _Settled("rolled_back", "old", undone, {"state": "old", "rollback": rollback.method})
