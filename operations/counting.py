"""Our own writes, counted into the journal, so that those of others can be told from them.

PostgreSQL counts rows that were rolled back like those that were committed. So both kinds of ours are journalled, and
every entry that holds ``own`` counts, whatever became of its transaction. An entry that is lost makes rows of ours look
like others', and so a way back refuse where it need not: never the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from operations import catalog, writes
from operations.catalog import Catalog, properties
from operations.context import Context
from operations.errors import ConnectionLost, StatementFailed
from operations.journal import Entry, Journal, RunRecord, records
from operations.leftovers import Outside, indexes_of
from operations.migrations.model import HistoryRow
from operations.ports import Session
from operations.traces import Trace
from operations.writes import Counters, Written

_LOCKED = """
    SELECT l.relation::bigint FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
      AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
      AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'm', 'c') AND c.relname <> %s)
"""
# A relation that this transaction has dropped is in no catalog any more, but still locked. A composite type is one,
# too, and what is done to it reaches all tables that use it.
NAMESPACES = "pg_catalog.pg_namespace"
BEGUN, STATEMENT = "transaction", "statement"
"""Events in a run's journal: what stood before a transaction, and before a statement outside of any."""
ENDED = ("committing", "attempted", "undoing", "outside")
"""That its rows have been counted."""
LAG, LOOK = 12.0, 0.1
"""Seconds in which sessions have added what they count (an idle one does after ten), and between two looks at them."""


@contextmanager
def counted(session: Session, journal: Journal, begin: str, event: str, **facts: Any) -> Iterator[dict[str, Any]]:
    """A transaction; ``event`` is journalled with ``facts`` and what it has written just before it commits.

    The facts are yielded, as some may be known only by then.

    So are the object ids of what it has locked like one who changes it (``locked``): whatever it did to rows, be it
    counted or not, it did there. One that fails journals what it had tried to write, as ``attempted``.
    """
    writes.flush(session)
    with session.transaction(begin):
        try:
            yield facts
            own = writes.own(session)
            held = sorted(locked(session))
        except BaseException:
            _record_attempt(session, journal)
            raise
        journal.record(event, sync=False, own=own.to_json(), locked=held, **facts)


def announced(session: Session, journal: Journal) -> None:
    """Journal what stands before a transaction: should our client die in it, that tells its rows from others'.

    Not where it cannot be told: of a schema too large to be looked at so soon, or while others' counts may be to come.
    """
    with suppress(StatementFailed):
        begun = Begun.read(session)
        if begun:
            journal.record("transaction", sync=False, **begun.to_json())


def locked(session: Session, without: str = "") -> frozenset[int]:
    """Tables, materialized views and composite types that the open transaction can have changed, also dropped ones.

    But for tables of the name ``without``.
    """
    return frozenset(oid for (oid,) in session.rows(_LOCKED, (without,)))


@contextmanager
def counted_outside(session: Callable[[], Session], journal: Journal, alone: Alone | None) -> Iterator[None]:
    """A statement outside of transactions, whose catalog rows no transaction of ours can count (``outside``).

    What the catalogs gained meanwhile counts as ours only if ``alone``, what stood before, says that it can be told.
    ``session`` is asked for again at the end, since a lost connection may have been replaced.
    """
    try:
        yield
    finally:
        gained = alone.gained(session(), writes.catalogs(session())) if alone else Counters()
        journal.record("outside", sync=False, own=gained.to_json())


def _of_schema(counters: Counters) -> Counters:
    """Without large objects: their rows lie in catalogs, but are data."""
    return Counters({oid: relation for oid, relation in counters.relations.items() if relation.kind != "table"})


@dataclass(frozen=True)
class Begun:
    """What stood when a transaction of ours began: if our client dies in it, its rows are rolled back uncounted."""

    stamp: str
    outside: Outside
    catalogs: Counters

    @classmethod
    def read(cls, session: Session) -> Begun | None:
        """Not within a transaction. ``None`` while others have changes to count that the schema shows already.

        In this order: what they change after the schema was read is seen by ``uncounted``, and what before that has
        been counted by now, or is still to come.
        """
        stamp, outside = catalog.stamp(session), Outside.read(session)
        return None if writes.lagging(session, schema=True) else cls(stamp, outside, writes.catalogs(session))

    def uncounted(self, now: Counters, session: Session, counted: Counters) -> Counters:
        """Rows that catalogs have gained, if nothing that stands in them has changed, and no table was emptied.

        ``counted``: what was, of our own, since.
        """
        if (self.stamp, self.outside) != (catalog.stamp(session), Outside.read(session)):
            return Counters()
        return _of_schema(writes.gained(self.catalogs + counted, now.of_system()))

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {"stamp": self.stamp, "outside": self.outside.to_json(), "catalogs": self.catalogs.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Begun:
        """What ``to_json`` gave."""
        return cls(value["stamp"], Outside.from_json(value["outside"]), Counters.from_json(value["catalogs"]))


@dataclass(frozen=True)
class Alone:
    """What stood when a statement outside of transactions began, so that its rows can be told from those of others.

    ``schema`` is a fingerprint of all but the indexes that the ``statement`` works on.
    """

    statement: str
    schema: str
    files: frozenset[int]
    catalogs: Counters

    @classmethod
    def read(cls, context: Context, session: Session, statement: str) -> Alone | None:
        """Not within a transaction. ``None`` where it cannot be told, or not before others have counted.

        In this order: what they change after the schema was read is seen by ``gained``, and what before that has been
        counted by now, or is still to come.
        """
        try:
            schema = _schema(session, statement)
        except StatementFailed:
            return None
        files, until = Outside.read(session).files, context.clock.now() + LAG
        since = writes.moment(session)
        while writes.lagging(session, schema=True, since=since):
            if context.clock.now() > until:
                return None
            context.clock.sleep(LOOK)
        return cls(statement, schema, files, writes.catalogs(session))

    def gained(self, session: Session, now: Counters) -> Counters:
        """What the catalogs have gained; nothing where someone may have changed the schema, or emptied a table."""
        gained = _of_schema(writes.gained(self.catalogs, now.of_system()))
        try:
            same = (self.files, self.schema) == (Outside.read(session).files, _schema(session, self.statement))
        except StatementFailed:
            return Counters()
        return gained if same else Counters()

    def uncounted(self, now: Counters, session: Session, counted: Counters) -> Counters:
        """As ``Begun.uncounted``: of one that our client did not live to count."""
        return replace(self, catalogs=self.catalogs + counted).gained(session, now)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        files, catalogs = sorted(self.files), self.catalogs.to_json()
        return {"statement": self.statement, "schema": self.schema, "files": files, "catalogs": catalogs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Alone:
        """What ``to_json`` gave."""
        catalogs = Counters.from_json(value["catalogs"])
        return cls(value["statement"], value["schema"], frozenset(value["files"]), catalogs)


def _schema(session: Session, statement: str) -> str:
    found, left_out = catalog.read(session), indexes_of(session, statement)
    return Catalog({one: text for one, text in found.objects.items() if one not in left_out}).fingerprint


@dataclass(frozen=True)
class Ours:
    """What runs of ours have written; ``None`` where some of it could not be counted.

    ``died`` is what stood before the first transaction, or statement outside of any, in which our client died, and
    ``since`` what was counted from then on.
    """

    counters: Counters | None
    died: Begun | Alone | None = None
    since: Counters = field(default_factory=Counters)


def counted_since(records: Iterable[RunRecord], run_id: str) -> Ours:
    """What our runs have written, from run ``run_id`` on. Pure."""
    total, first, since, reached = Counters(), None, Counters(), False
    for record in records:
        reached = reached or record.run_id == run_id
        if not reached:
            continue
        open_one: Begun | Alone | None = None
        for entry in record.entries:
            if entry.facts.get("verbatim") or entry.facts.get("own", {}) is None:
                return Ours(None)
            if "own" in entry.facts:
                own = Counters.from_json(entry.facts["own"])
                total, since = total + own, since + own
            if entry.event in (BEGUN, STATEMENT):
                first = first or open_one  # of an attempt whose rows the server forgot with its connection
                open_one = _stood(entry)
                since = since if first else Counters()
            if entry.event in ENDED:
                open_one = None
        first = first or open_one
    return Ours(total, first, since)


def _stood(entry: Entry) -> Begun | Alone | None:
    if entry.event == BEGUN:
        return Begun.from_json(entry.facts)
    alone = entry.facts.get("alone")
    return Alone.from_json(alone) if alone else None


@dataclass(frozen=True)
class Touched:
    """What runs of ours did to tables: ``names`` and ``oids`` of those in which they had written rows.

    ``locked``: object ids of all whose rows they can have changed in any way; ``None`` where that is not known.
    """

    names: frozenset[str]
    oids: frozenset[int]
    locked: frozenset[int] | None


def touched(records: Iterable[RunRecord], run_ids: Collection[str]) -> Touched:
    """By the transactions of these runs that were about to commit. Pure."""
    entries = [entry for record in records if record.run_id in run_ids for entry in record.entries]
    commits = [entry.facts for entry in entries if entry.event == "committing"]
    own = sum((Counters.from_json(facts["own"]) for facts in commits), Counters())
    written = {oid: relation.name for oid, relation in own.relations.items() if relation.kind == "table"}
    # Entries of older versions say nothing of locks; a statement that commits by itself is not counted at all; and
    # where a schema was renamed, tables have other names without having been touched.
    known = (
        all("locked" in facts for facts in commits)
        and not any(entry.facts.get("verbatim") for entry in entries)
        and not renames_schemas(own)
    )
    held = frozenset(oid for facts in commits for oid in facts.get("locked", ()))
    return Touched(frozenset(written.values()), frozenset(written), held if known else None)


def renames_schemas(own: Counters) -> bool:
    """Whether schemas were renamed (or changed otherwise), as rows that were written tell. Pure."""
    return any(r.name == NAMESPACES and r.rows.updated for r in own.relations.values() if r.kind == "catalog")


def inserted(record: RunRecord, row_ids: Mapping[str, str], rows: Mapping[str, HistoryRow]) -> dict[int, int]:
    """Rows that the run has left in each table, by object id: inserted and not deleted, in what was committed. Pure.

    ``row_ids`` by migration; ``rows`` of the history by id tell which of the journalled transactions did commit.
    """
    latest = {(e.facts["migration"], e.facts["piece"]): e.facts for e in record.entries if e.event == "committing"}
    found: dict[int, int] = {}
    for (migration, piece), facts in latest.items():
        row = rows.get(row_ids.get(migration, ""))
        if row is None or not (row.finished_at or 0 < piece <= row.applied_steps):
            continue
        for oid, relation in Counters.from_json(facts["own"]).relations.items():
            found[oid] = found.get(oid, 0) + relation.rows.inserted - relation.rows.deleted
    return found


def written_by_others(context: Context, origin: Trace, session: Session, now: Counters, history_table: str) -> Written:
    """What others have written between the restore point of ``origin`` and ``now``, but for the history table."""
    runs = records(context)
    ours, point = counted_since(runs, origin.run_id), origin.restore_point
    if ours.counters is None:
        return Written.unknown("a migration committed by itself, so its own writes could not be counted")
    if point is None:
        return Written.unknown("there is no restore point")
    # The history is the migration tools' own book-keeping: what stands in it is looked up there.
    before, after, own = (c.without(history_table) for c in (point.counters, now, ours.counters))
    if ours.died:
        own = own + ours.died.uncounted(now, session, ours.since)
    written = replace(writes.since(before, after, own), properties=_set_by_others(context, runs, origin, session))
    return replace(written, catalog=0) if point.kind == "empty" else written


def _set_by_others(context: Context, runs: Sequence[RunRecord], origin: Trace, session: Session) -> tuple[str, ...]:
    """What of the database itself is not as at the restore point, unless a run of ours may have changed it since."""
    ids = [run.run_id for run in runs]
    since = runs[ids.index(origin.run_id) :] if origin.run_id in ids else runs
    if origin.restore_point is None or any(run.last("restore_point").get("alters_database") for run in since):
        return ()
    return properties.changed_since(session, context.database.target.database, origin.restore_point.properties)


def _record_attempt(session: Session, journal: Journal) -> None:
    try:
        own = writes.attempted(session)
    except (ConnectionLost, StatementFailed):
        return  # the server forgot the counts with the connection, or counts them as someone else's
    journal.record("attempted", sync=False, own=own.to_json())
