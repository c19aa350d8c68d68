"""What is proven of a way back by script before its commit: that rows are what they were, and nobody's are lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from operations import sequences
from operations.backup_catalogue import load
from operations.backups.manifest import Manifest, TableRows
from operations.backups.rows import count_large_objects, count_tables, fix_settings
from operations.backups.tables import read_tables
from operations.catalog import properties
from operations.context import Context
from operations.counting import locked
from operations.down_scripts import NotThisWay
from operations.errors import NotFound, Tampered, listed
from operations.fixed_settings import set_local
from operations.journal import RunRecord, records
from operations.migrations.model import Format, HistoryRow
from operations.own_writes import Touched, inserted, renames_schemas, touched
from operations.ports import Session
from operations.traces import RestorePoint, Trace
from operations.writes import Counters

_TABLES = """
    SELECT c.oid::bigint, format('%%I.%%I', n.nspname, c.relname), has_table_privilege(c.oid, 'TRUNCATE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 AND (n.nspname, c.relname) <> (%s, %s)
    ORDER BY 2
"""
_ROWS = """
    SELECT count(*), count(*) FILTER (WHERE t.xmin::text <> a.xmin::text)
    FROM ONLY {} t, (SELECT xmin FROM pg_attribute WHERE attrelid = %s AND attnum = -6) a
"""
# The rows of a system column are written when the table is created, and never again.
_COMPOSITE = "SELECT FROM pg_class WHERE relkind = 'c' AND oid = ANY (%s::bigint[]::oid[])"
_NAMES = """
    SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY (%s::bigint[]::oid[])
"""
LARGE_OBJECTS = "pg_catalog.pg_largeobject"


class Proof(Struct, frozen=True):
    """Of undoing ``traces`` (newest first) back to ``point``, in the transaction that is open on ``session``.

    ``runs`` are those of ``traces``; ``before`` is what the restore point's backup says, or why there is none.
    """

    context: Context
    session: Session
    format: Format
    traces: Sequence[Trace]
    rows: Mapping[str, HistoryRow]
    point: RestorePoint
    runs: Sequence[RunRecord]
    before: Manifest | NotThisWay

    def only_ours(self) -> bool:
        """Whether the tables that the runs had created hold just the rows that the runs had put there.

        Called before the scripts run: it locks those tables, so that it stays so.
        """
        known = touched(self.runs, self._ids()).locked
        names = self._names_before()
        ours: dict[int, int] = {}
        for trace in self.traces:
            for run in (run for run in self.runs if run.run_id == trace.run_id):
                ours.update({oid: ours.get(oid, 0) + n for oid, n in inserted(run, trace.row_ids, self.rows).items()})
        found = self.session.rows(_TABLES, self.format.place(self.session))
        created = [row for row in found if row[1] not in names and (known is None or row[0] in known)]
        return all(self._holds(oid, name, allowed, ours.get(oid, 0)) for oid, name, allowed in created)

    def _holds(self, oid: int, name: str, allowed: bool, expected: int) -> bool:
        if not allowed:
            return False
        self.session.script(f"{set_local({'row_security': 'off'})}; LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE")
        ((count, of_later),) = self.session.rows(_ROWS.format(name.replace("%", "%%")), (oid,))
        return bool(count == 0 or (count == expected and not of_later))

    def prove_rows(self, own: Counters, *, inverses_only: bool) -> None:
        """Every table that stood at the restore point holds the rows that it held then; raises ``NotThisWay``.

        Compared are those in which the runs wrote rows, and unless ``inverses_only`` all whose rows the runs or this
        transaction (which wrote ``own``) can have changed. Nor does a sequence give numbers again, which inverses
        never make it do.
        """
        if not inverses_only:
            self._refuse_repeated_numbers()
            self._refuse_other_properties()
        if self.point.backup_id is None:
            return  # the database was empty: the schema says it all
        did = touched(self.runs, self._ids())
        everything = not inverses_only and (did.locked is None or renames_schemas(own) or self._composite(did))
        if inverses_only and not did.names:
            return
        if isinstance(self.before, NotThisWay):
            raise self.before
        before = self.before
        names = set(before.tables) if everything else self._suspects(did, inverses_only) & before.tables.keys()
        names = {name for name in names if not name.endswith(f".{self.format.history_table}")}
        self._compare(names, before)
        if everything or any(name.startswith(LARGE_OBJECTS) for name in did.names | own.tables()):
            self._compare_large_objects(before)

    def prove_all_rows(self) -> None:
        """The same of every table, whoever may have changed it; raises ``NotThisWay``."""
        if isinstance(self.before, NotThisWay):
            raise self.before
        names = {name for name in self.before.tables if not name.endswith(f".{self.format.history_table}")}
        self._compare(names, self.before)
        self._compare_large_objects(self.before)

    def _refuse_repeated_numbers(self) -> None:
        fallen = tuple(sequences.behind(self.point.positions, sequences.positions(self.session)))
        if fallen:
            raise NotThisWay(f"after undoing it by script {listed(fallen)}")

    def _refuse_other_properties(self) -> None:
        """What the runs can have changed of the database itself, their words do not surely tell."""
        database = self.context.database.target.database
        found = properties.changed_since(self.session, database, self.point.properties)
        if found:
            raise NotThisWay(f"after undoing it by script the database's own {' and '.join(found)} would be others")

    def _suspects(self, did: Touched, inverses_only: bool) -> set[str]:
        oids = did.oids if inverses_only else did.oids | (did.locked or frozenset()) | locked(self.session)
        return {*did.names, *(name for (name,) in self.session.rows(_NAMES, (list(oids),)))}

    def _composite(self, did: Touched) -> bool:
        return bool(self.session.rows(_COMPOSITE, (list((did.locked or frozenset()) | locked(self.session)),)))

    def _compare(self, names: Collection[str], before: Manifest) -> None:
        if any(before.tables[name].hash is None for name in names):
            raise NotThisWay("the backup holds no row hashes to compare the rows with")
        found = self._hashed(names)
        changed = sorted(name for name in names if found.get(name) != before.tables[name])
        if changed:
            raise NotThisWay(f"after undoing it by script the rows of {', '.join(changed)} would not be what they were")

    def _hashed(self, names: Collection[str]) -> dict[str, TableRows]:
        if not names:
            return {}
        fix_settings(self.session, self.context.environment.lock_timeout)
        tables = [table for table in read_tables(self.session) if table.name in names]
        found = (count_tables(self.session, [table], True, lambda _: None) for table in tables)
        return {name: rows for one in found for name, rows in one.items()}

    def _compare_large_objects(self, before: Manifest) -> None:
        fix_settings(self.session, self.context.environment.lock_timeout)
        if count_large_objects(self.session, True, lambda _: None) != before.large_objects:
            raise NotThisWay("after undoing it by script the large objects would not be what they were")

    def _names_before(self) -> Iterable[str]:
        """Tables that stood at the restore point, as far as that is known."""
        return () if isinstance(self.before, NotThisWay) else self.before.tables

    def _ids(self) -> list[str]:
        return [trace.run_id for trace in self.traces]


def runs_of(context: Context, traces: Sequence[Trace]) -> tuple[RunRecord, ...]:
    """What the journals tell of the runs.

    Read before a transaction is open, as the manifest is: it takes long on a slow host, and the server ends a session
    that is idle in a transaction.
    """
    ids = {trace.run_id for trace in traces}
    return tuple(record for record in records(context) if record.run_id in ids)


def manifest_of(context: Context, point: RestorePoint) -> Manifest | NotThisWay:
    """Of the restore point's backup, or why there is none."""
    if point.backup_id is None:
        return NotThisWay("there is no backup to compare the rows with (the database was empty)")
    try:
        return load(context, point.backup_id)
    except (NotFound, Tampered) as error:
        return NotThisWay(f"there is no backup to compare the rows with ({error.message})")
