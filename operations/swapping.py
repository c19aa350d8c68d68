"""A swap as part of a run: announced in the journal, with what was written until it; and the last one, to be undone."""

from __future__ import annotations

from collections.abc import Mapping

from operations import writes
from operations.context import Context
from operations.errors import NotFound
from operations.journal import Journal, records
from operations.layout import kept_name
from operations.ports import Progress
from operations.swap import maintenance, swap

NOTHING = writes.Counters()
UNKNOWN_TABLES = "(in tables that are gone or not known)"


def swap_in(
    context: Context, journal: Journal, incoming: str, before: writes.Counters | None
) -> tuple[float, str, Mapping[str, int] | None]:
    """Make ``incoming`` the live database.

    Returns seconds of outage, the name under which the former one is kept, and the rows that were written to that since
    ``before``, by table; ``None`` where it cannot be told. Raises what ``swap`` raises.
    """
    database = context.database.target.database
    kept = kept_name(database, journal.run_id)
    oids = _oids(context)
    with context.database.session(purpose="restore") as session:
        now = writes.counters(session)
    with context.database.session(incoming, purpose="restore") as session:
        fresh = writes.counters(session)
    context.report(Progress("swapping"))
    journal.record("swap_started", incoming_oid=oids[incoming], live_oid=oids[database], kept=kept)
    late: list[tuple[writes.Rows, str | None]] = []
    outage = swap(context, incoming, kept, guard=lambda session: late.append(writes.moved(now, session)))
    # It is done: what is lost of the record can be looked up, and must not make it pass for a failure.
    journal.note("swap_finished", sync=True, kept=kept, outage_seconds=outage, counters=fresh.to_json())
    rows, reason = late[-1]
    return outage, kept, None if before is None or reason else _meanwhile(writes.since(before, now, NOTHING), rows)


def rename_in(context: Context, journal: Journal, incoming: str) -> None:
    """The same where there is no live database any more."""
    kept = kept_name(context.database.target.database, journal.run_id)
    journal.record("swap_started", incoming_oid=_oids(context)[incoming], live_oid=None, kept=kept)
    swap(context, incoming, kept)
    journal.note("swap_finished", sync=True, kept=None)


def _meanwhile(written: writes.Written, late: writes.Rows) -> Mapping[str, int] | None:
    if written.reason is not None:
        return None
    more = written.elsewhere + late.total
    return {**written.tables, **({UNKNOWN_TABLES: more} if more else {})}


def _oids(context: Context) -> dict[str, int]:
    with maintenance(context, "restore") as session:
        return dict(session.rows("SELECT datname, oid::bigint FROM pg_catalog.pg_database"))


def last_swap(context: Context) -> tuple[str, writes.Counters | None]:
    """The database that the live one has replaced, and the live one's counters at that time, where recorded.

    Raises ``NotFound`` where the live database came by no swap, or the one before is gone.
    """
    database = context.database.target.database
    oids = _oids(context)
    for record in reversed(records(context)):
        swapped = record.last("swap_started")
        if not swapped or swapped["incoming_oid"] != oids.get(database):
            continue
        kept = str(swapped["kept"])
        if kept not in oids or oids[kept] != swapped["live_oid"]:
            raise NotFound(
                f"The database before run {record.run_id} is gone: there is no {kept} any more.",
                hint=f"{context.command} backup list shows what else there is to go back to.",
            )
        counters = record.last("swap_finished").get("counters")
        return kept, writes.Counters.from_json(counters) if counters else None
    raise NotFound(
        f"There is nothing to undo: {database} has not been swapped by a restore or rollback.",
        hint=f"{context.command} backup list shows what there is to restore.",
    )
