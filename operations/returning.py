"""The last rung: the restore point, restored beside and swapped in, as long as nobody else has written since."""

from __future__ import annotations

from operations import catalog, writes
from operations.advisory import steady
from operations.backup import load_intact
from operations.beside import beside, drop
from operations.catalog.properties import create_statement, read_properties, restore_statements
from operations.context import Context
from operations.errors import DataWouldBeLost, NeedsAttention
from operations.journal import Journal
from operations.layout import kept_name
from operations.own_writes import written_by_others
from operations.ports import Session
from operations.scratch import in_use, scratch_name
from operations.swap import maintenance, swap
from operations.traces import RestorePoint, Trace

SWAPS = 3
"""Autovacuum and the like may move a counter between the last look and the swap; then it is looked at again."""


def swap_back(
    context: Context, journal: Journal, origin: Trace, session: Session, history_table: str, *, accept_data_loss: bool
) -> str:
    """Make the restore point the live database; returns the name under which the one before it is kept.

    Ends ``session``. Raises ``DataWouldBeLost`` if others write until the very end, which leaves to the caller to say
    what to type, and what ``beside`` and ``swap`` raise; the live database is then as it was.
    """
    session.close()
    incoming = scratch_name(context)
    with in_use(context, incoming):
        _fill(context, origin, incoming, accept_data_loss)
        return _swapped(context, journal, origin, incoming, history_table, accept_data_loss)


def _swapped(
    context: Context, journal: Journal, origin: Trace, incoming: str, history_table: str, accept_data_loss: bool
) -> str:
    database = context.database.target.database
    kept = kept_name(database, journal.run_id)
    try:
        with context.database.session(purpose="rollback") as looking:
            oids: dict[str, int] = dict(looking.rows("SELECT datname, oid::bigint FROM pg_database"))
        journal.record("swap_started", incoming_oid=oids[incoming], live_oid=oids[database], kept=kept)
        for attempt in range(1, SWAPS + 1):
            with context.database.session(purpose="rollback") as looking:
                looking.reset(steady(context))
                now = writes.counters(looking)
                written = written_by_others(context, origin, looking, now, history_table)
            if not (written.certain_none or accept_data_loss):
                raise DataWouldBeLost(f"Meanwhile others have written to the database ({written}).")
            try:
                swap(context, incoming, kept, guard=None if accept_data_loss else writes.guard(now))
                break
            except DataWouldBeLost:
                if attempt == SWAPS:
                    raise
    except BaseException:
        drop(context, incoming)
        raise
    journal.note("swap_finished", sync=True, kept=kept)  # done it is, whether or not that can be written down
    return kept


def _fill(context: Context, origin: Trace, name: str, accept_data_loss: bool) -> None:
    """Make a database that holds what the restore point holds."""
    point = origin.restore_point
    if point is not None and point.kind == "empty":
        _make_empty(context, point, name, accept_data_loss)
        return
    if point is None or point.backup_id is None:
        raise NeedsAttention(
            f"Run {origin.run_id} has no backup to return to.",
            hint=f"{context.command} backup list shows what there is to restore.",
        )
    validation = beside(context, load_intact(context, point.backup_id), name)
    if not validation.ok:
        drop(context, name)
        raise NeedsAttention(
            f"Backup {point.backup_id} was restored, but does not hold what its manifest says: "
            + "; ".join(validation.differences),
            hint=f"{context.command} backup list shows the others.",
        )


def _make_empty(context: Context, point: RestorePoint, name: str, accept_data_loss: bool) -> None:
    """Make one that is all that the live one was besides its content, or is, where that is not known."""
    with maintenance(context, "rollback") as session:
        properties = point.properties or read_properties(session, context.database.target.database)
        session.execute(create_statement(name, properties))
    with context.database.session(name, purpose="rollback") as session:
        session.reset(steady(context))
        same = catalog.read(session).fingerprint == point.fingerprint
    if not (same or accept_data_loss):
        drop(context, name)
        raise DataWouldBeLost(
            "The database held no tables, but was not as a new one is (a comment on its schema, say): that would go."
        )
    with maintenance(context, "rollback") as session:
        for statement in restore_statements(name, properties):
            session.execute(statement)
