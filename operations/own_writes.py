"""What runs of ours have written, as their journals say, and so what others have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from operations import writes
from operations.catalog import properties
from operations.context import Context
from operations.journal import Entry, RunRecord, records
from operations.migrations.model import HistoryRow
from operations.ports import Session
from operations.traces import Trace
from operations.uncounted import Alone, Begun
from operations.writes import Counters, Written

NAMESPACES = "pg_catalog.pg_namespace"
BEGUN, STATEMENT = "transaction", "statement"
"""Events in a run's journal: what stood before a transaction, and before a statement outside of any."""
ENDED = ("committing", "attempted", "undoing", "outside")
"""That its rows have been counted."""


class Ours(Struct, frozen=True):
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


class Touched(Struct, frozen=True):
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
