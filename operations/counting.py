"""Our own writes, counted into the journal, so that those of others can be told from them.

PostgreSQL counts rows that were rolled back like those that were committed. So both kinds of ours are journalled, and
every entry that holds ``own`` counts, whatever became of its transaction. An entry that is lost makes rows of ours look
like others', and so a way back refuse where it need not: never the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from operations import writes
from operations.context import Context
from operations.errors import ConnectionLost, StatementFailed
from operations.journal import Journal, RunRecord, records
from operations.leftovers import Outside
from operations.ports import Session
from operations.traces import Trace
from operations.writes import Counters, Written


@contextmanager
def counted(session: Session, journal: Journal, begin: str, event: str, **facts: Any) -> Iterator[None]:
    """A transaction; ``event`` is journalled with what it has written just before it commits.

    One that fails journals what it had tried to write, as ``attempted``.
    """
    writes.flush(session)
    with session.transaction(begin):
        try:
            yield
            own = writes.own(session)
        except BaseException:
            _record_attempt(session, journal)
            raise
        journal.record(event, sync=False, own=own.to_json(), **facts)


@contextmanager
def counted_outside(session: Callable[[], Session], journal: Journal, before: Outside) -> Iterator[None]:
    """Statements outside of transactions, whose catalog rows no transaction of ours can count (``outside``).

    What the catalogs gained meanwhile counts as ours, unless a table got another file: someone may have emptied it.
    ``session`` is asked for again at the end, since a lost connection may have been replaced.
    """
    counts = writes.catalogs(session())
    try:
        yield
    finally:
        gained = writes.gained(counts, writes.catalogs(session()))
        same = Outside.read(session()).files == before.files
        journal.record("outside", sync=False, own=gained.to_json() if same else None)


@dataclass(frozen=True)
class Ours:
    """What runs of ours have written; ``None`` where some of it could not be counted.

    ``interrupted`` is what stood before a statement outside of transactions that our client did not live to count.
    """

    counters: Counters | None
    interrupted: Outside | None


def counted_since(records: Iterable[RunRecord], run_id: str) -> Ours:
    """What our runs have written, from run ``run_id`` on. Pure."""
    total, interrupted, begun = Counters(), None, False
    for record in records:
        begun = begun or record.run_id == run_id
        if not begun:
            continue
        open_statement = None
        for entry in record.entries:
            if entry.facts.get("verbatim") or entry.facts.get("own", {}) is None:
                return Ours(None, None)
            if "own" in entry.facts:
                total = total + Counters.from_json(entry.facts["own"])
            if entry.event == "statement":
                open_statement = Outside.from_json(entry.facts["outside"])
            if entry.event == "outside":
                open_statement = None
        interrupted = interrupted or open_statement
    return Ours(total, interrupted)


def tables_written(records: Iterable[RunRecord], run_ids: Collection[str]) -> set[str]:
    """Names of the tables in which transactions of these runs that were about to commit had written rows. Pure."""
    commits = (entry for r in records if r.run_id in run_ids for entry in r.entries if entry.event == "committing")
    return {table for entry in commits for table in Counters.from_json(entry.facts["own"]).tables()}


def written_by_others(context: Context, origin: Trace, session: Session, now: Counters, history_table: str) -> Written:
    """What others have written between the restore point of ``origin`` and ``now``, but for the history table."""
    ours, point = counted_since(records(context), origin.run_id), origin.restore_point
    if ours.counters is None:
        return Written.unknown("a migration committed by itself, so its own writes could not be counted")
    if point is None:
        return Written.unknown("there is no restore point")
    # The history is the migration tools' own book-keeping: what stands in it is looked up there.
    before, after, own = (c.without(history_table) for c in (point.counters, now, ours.counters))
    written = writes.since(before, after, own)
    if point.kind == "empty":
        return replace(written, catalog=0)
    if ours.interrupted and ours.interrupted.files <= Outside.read(session).files:
        # No table was emptied or rewritten: the rows of catalogs are those of the statement that died uncounted.
        return replace(written, catalog=0)
    return written


def _record_attempt(session: Session, journal: Journal) -> None:
    try:
        own = writes.attempted(session)
    except (ConnectionLost, StatementFailed):
        return  # the server forgot the counts with the connection, or counts them as someone else's
    journal.record("attempted", sync=False, own=own.to_json())
