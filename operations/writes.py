"""Evidence of what others have written to the database: PostgreSQL counts every row that anyone writes.

Counted is what was tried, so rolled-back work counts, too; TRUNCATE and changes of the schema show as rows of the
system catalogs. No evidence is left by a sequence that was only advanced, nor by a superuser who turns counting off in
the session that writes. Not held against anyone are planner statistics, which the server writes by itself, temporary
tables, and the catalogs that databases share.

A session adds its counts after a transaction has ended, but up to ten seconds later, and at the latest when it exits.
So "nothing was written" is certain only once everyone else is gone: ``guard`` says so within ``swap``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from operations.errors import DataWouldBeLost
from operations.object_ids import FIRST_USER_OID
from operations.ports import Session
from operations.row_counts import Counters, Moment, Relation, Rows

__all__ = [
    "Counters", "Moment", "Relation", "Rows", "Written", "attempted", "catalogs", "counters", "flush", "gained",
    "guard", "lagging", "moment", "moved", "own", "since",
]  # fmt: skip
RELIABLE_FROM = 150000
"""Before, a collector process was told by datagrams, which may get lost."""
ATTEMPTS = 5
IGNORED = ("statistics", "temporary")

_MOMENT = """
    SELECT d.oid::bigint, current_setting('server_version_num')::int,
           current_setting('track_counts') = 'on' AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) entry
               WHERE s.setdatabase IN (0, d.oid) AND starts_with(entry, 'track_counts=')),
           concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
                     extract(epoch FROM pg_stat_get_db_stat_reset_time(d.oid)),
                     (SELECT extract(epoch FROM stats_reset) FROM pg_catalog.pg_stat_bgwriter)),
           pg_stat_get_db_tuples_inserted(d.oid), pg_stat_get_db_tuples_updated(d.oid),
           pg_stat_get_db_tuples_deleted(d.oid)
    FROM pg_catalog.pg_database d WHERE
"""
_RELATIONS = """
    SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname),
           CASE WHEN c.oid = ANY (statistics.oids) THEN 'statistics'
                WHEN c.relpersistence = 't' THEN 'temporary'
                WHEN c.relkind = 't' THEN 'toast'
                WHEN c.relnamespace = 'pg_catalog'::regnamespace AND c.relname !~ '^pg_largeobject' THEN 'catalog'
                ELSE 'table' END,
           pg_stat_get_{0}tuples_inserted(c.oid), pg_stat_get_{0}tuples_updated(c.oid),
           pg_stat_get_{0}tuples_deleted(c.oid)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN (SELECT array_agg(oid) || array_agg(reltoastrelid) AS oids FROM pg_catalog.pg_class
                WHERE oid IN ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass)) statistics
    WHERE c.relkind IN ('r', 'm', 't') AND NOT c.relisshared
      AND pg_stat_get_{0}tuples_inserted(c.oid) + pg_stat_get_{0}tuples_updated(c.oid)
          + pg_stat_get_{0}tuples_deleted(c.oid) > 0
"""
_UNCOUNTED = """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_am a ON a.oid = c.relam
    WHERE a.amtype = 't' AND a.amhandler <> 'heap_tableam_handler'::regproc AND c.relkind IN ('r', 'm', 't')
"""
_LAGGING = """
    SELECT a.pid, a.usename FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL
      AND (a.state = 'idle' AND (a.state_change < clock_timestamp() - interval '11 seconds'
                                 OR a.state_change > %s::timestamptz + interval '2.5 seconds')) IS NOT TRUE
      AND NOT (a.usename = session_user AND a.application_name ~ %s)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication r WHERE r.pid = a.pid)
"""
_MAY_CHANGE_SCHEMA = """
      AND (EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = a.usesysid AND r.rolsuper)
        OR EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datname = current_database()
                   AND (pg_has_role(a.usesysid, d.datdba, 'MEMBER')
                     OR has_database_privilege(a.usesysid, d.oid, 'CREATE')))
        OR EXISTS (SELECT FROM pg_catalog.pg_shdepend d
                   WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                   AND d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
                   AND pg_has_role(a.usesysid, d.refobjid, 'MEMBER'))
        OR EXISTS (SELECT FROM pg_catalog.pg_namespace n
                   WHERE n.nspname !~ '^pg_' AND has_schema_privilege(a.usesysid, n.oid, 'CREATE'))
        OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384
                   AND has_table_privilege(a.usesysid, c.oid,
                       'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, SELECT WITH GRANT OPTION'))
        OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.prosecdef AND p.oid >= 16384
                   AND has_function_privilege(a.usesysid, p.oid, 'EXECUTE')))
"""
# Who cannot write at all, such as one who only measures, changes no schema either; its state is often hidden from us.
READING = (
    "^locktender (client|watch|ping|plan|look|pooler|backup|clean|check|status|report|restore|rollback|scratch|settle$)"
)
"""Sessions of ours that write nothing to a database that others use."""


class Written(Struct, frozen=True):
    """What others have written. Where ``reason`` is set it cannot be told, and that says why."""

    tables: Mapping[str, int] = {}
    """Rows inserted, updated and deleted, by table; ``oids`` are those tables'."""
    oids: frozenset[int] = frozenset()
    catalog: int = 0
    """Rows of system catalogs: the schema was changed, a table truncated, or temporary tables were used."""
    elsewhere: int = 0
    """Rows in tables that have been dropped since."""
    properties: tuple[str, ...] = ()
    """What of the database itself has been changed: its settings, privileges …, which no script that we run touches."""
    reason: str | None = None

    @classmethod
    def unknown(cls, reason: str) -> Written:
        """It cannot be told."""
        return cls(reason=reason)

    @property
    def certain_none(self) -> bool:
        """Nobody else has written anything."""
        return self.reason is None and not (self.tables or self.catalog or self.elsewhere or self.properties)

    def only_outside(self, oids: Collection[int]) -> bool:
        """Whether all rows that others have written certainly lie in other tables than these."""
        return self.reason is None and not self.elsewhere and self.oids.isdisjoint(oids)

    def __str__(self) -> str:
        if self.reason is not None:
            return f"cannot be told: {self.reason}"
        parts = [f"{_rows(rows)} in {name}" for name, rows in sorted(self.tables.items())]
        if self.catalog:
            parts.append(f"{_rows(self.catalog)} of system catalogs (the schema, a TRUNCATE or temporary tables)")
        if self.elsewhere:
            parts.append(f"{_rows(self.elsewhere)} in tables that are gone")
        if self.properties:
            parts.append(f"the database's own {' and '.join(self.properties)}")
        return ", ".join(parts) or "nothing"


def flush(session: Session) -> None:
    """Add what the session's own ended transactions have counted, now and not later. Not within a transaction."""
    if session.server_version >= RELIABLE_FROM:
        session.rows("SELECT pg_stat_force_next_flush()")


def counters(session: Session) -> Counters:
    """All counts of the session's database. Read before a snapshot, they miss nothing that the snapshot misses."""
    if not session.in_transaction:
        flush(session)
        session.execute("SET quote_all_identifiers TO off")  # names are compared with those that others have read
    for _ in range(ATTEMPTS):
        session.rows("SELECT pg_stat_clear_snapshot()")
        # The database before its relations: what is added in between then counts as written later, never as nothing.
        moment = _moment(session, "d.datname = current_database()")
        relations = dict(_relations(session, ""))
        session.rows("SELECT pg_stat_clear_snapshot()")
        if moment == _moment(session, "d.datname = current_database()"):
            break
    uncounted = session.rows(_UNCOUNTED)
    return Counters(relations, replace(moment, uncounted=uncounted[0][0]) if moment and uncounted else moment)


def own(session: Session) -> Counters:
    """What the session's open transaction has written; call it just before COMMIT, and ``flush`` before BEGIN.

    Deferred triggers and constraints act now, as they would at COMMIT, so that their rows are counted too.
    """
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return Counters(dict(_relations(session, "xact_")))


def attempted(session: Session) -> Counters:
    """What the session's open transaction, which has failed, had tried to write; it is rolled back, and a new one open.

    Rolled-back rows count as well, so they are ours as much as committed ones. ``flush`` before BEGIN here, too.
    """
    # In one message: between two of them the session would add its counts to the others' and forget them.
    session.script("ROLLBACK; BEGIN")
    return Counters(dict(_relations(session, "xact_")))


def catalogs(session: Session) -> Counters:
    """Counts of the system catalogs alone: what can be told of statements that run outside of transactions."""
    flush(session)
    return Counters(dict(_relations(session, "", f"AND c.oid < {FIRST_USER_OID}")))


def gained(before: Counters, after: Counters) -> Counters:
    """What lies between two counts, as if a transaction of ours had written it. Pure."""
    rows = {oid: relation.rows - before.rows_of(oid) for oid, relation in after.relations.items()}
    return Counters({oid: replace(after.relations[oid], rows=moved) for oid, moved in rows.items() if moved.total})


def since(before: Counters, after: Counters, own: Counters) -> Written:
    """What others wrote between two moments, given the sum of our own transactions of that time. Pure."""
    begin, end = before.moment, after.moment
    if begin is None or end is None:
        return Written.unknown("the counts are of no moment")
    reason = _incomparable(begin, end)
    if reason:
        return Written.unknown(reason)
    moved = {oid: relation.rows - before.rows_of(oid) for oid, relation in after.relations.items()}
    foreign = {
        oid: Relation(relation.name, relation.kind, moved[oid] - own.rows_of(oid))
        for oid, relation in after.relations.items()
        if relation.kind not in IGNORED
    }
    gone = [relation.rows for oid, relation in own.relations.items() if oid not in moved]
    elsewhere = end.rows - begin.rows - sum((*moved.values(), *gone), Rows())
    if elsewhere.negative or any(relation.rows.negative for relation in foreign.values()):
        return Written.unknown("the counts do not add up (some of our own may still be to come)")
    return _written(foreign, elsewhere)


def lagging(session: Session, *, schema: bool = False, since: str = "infinity") -> tuple[str, ...]:
    """Other sessions of this database whose counts may still be to come; empty if all are in.

    That is so once a session has been idle for ten seconds; of another role's session only superusers and members of
    ``pg_read_all_stats`` see that it is. Autovacuum, the one process in a database without a user, writes no rows.
    ``schema``: only those that may change the schema. ``since`` (of ``moment``): whose counts of until then may be.
    One at work adds them when it becomes idle, but for once a second (``PGSTAT_MIN_INTERVAL`` in pgstat.c).
    """
    query = f"{_LAGGING} {_MAY_CHANGE_SCHEMA if schema else ''} ORDER BY a.pid"
    return tuple(f"{user or 'a dropped role'} (pid {pid})" for pid, user in session.rows(query, (since, READING)))


def moment(session: Session) -> str:
    """The server's clock, as text."""
    return str(session.rows("SELECT clock_timestamp()::text")[0][0])


def guard(expected: Counters) -> Callable[[Session], None]:
    """For ``swap``: raises ``DataWouldBeLost`` if anything at all was written since ``expected`` was read.

    By then all other sessions are gone, so that their counts are in.
    """

    def check(session: Session) -> None:
        rows, reason = moved(expected, session)
        if reason:
            raise DataWouldBeLost(f"It cannot be told whether others have written to the database: {reason}.")
        if rows != Rows():
            raise DataWouldBeLost(f"Others wrote {_rows(rows.total)} just before the swap.")

    return check


def moved(expected: Counters, session: Session) -> tuple[Rows, str | None]:
    """Rows by which the count of that whole database has grown, or why that cannot be told; from any session."""
    session.rows("SELECT pg_stat_clear_snapshot()")
    begin = expected.moment
    now = _moment(session, "d.oid = %s", begin.database_oid) if begin else None
    if begin is None or now is None:
        return Rows(), "the database is not there any more"
    return now.rows - begin.rows, _incomparable(begin, now)


def _moment(session: Session, which: str, *parameters: object) -> Moment | None:
    for oid, version, counting, origin, inserted, updated, deleted in session.rows(f"{_MOMENT} {which}", parameters):
        return Moment(oid, version, counting, origin, Rows(inserted, updated, deleted))
    return None


def _relations(session: Session, which: str, condition: str = "") -> Iterator[tuple[int, Relation]]:
    for oid, name, kind, *rows in session.rows(f"{_RELATIONS.format(which)} {condition}"):
        yield oid, Relation(name, kind, Rows(*rows))


def _incomparable(begin: Moment, end: Moment) -> str | None:
    if begin.database_oid != end.database_oid:
        return "the database was replaced in between"
    if min(begin.server_version, end.server_version) < RELIABLE_FROM:
        return "PostgreSQL counts reliably from version 15 on"
    if not (begin.counting and end.counting):
        return "the server does not count (track_counts is off)"
    if begin.origin != end.origin:
        return "the server was restarted, has crashed, or its statistics were reset in between"
    uncounted = begin.uncounted or end.uncounted
    return f"the access method of table {uncounted} does not count" if uncounted else None


def _written(foreign: Mapping[int, Relation], elsewhere: Rows) -> Written:
    found: dict[str, dict[int, Relation]] = {"table": {}, "catalog": {}, "toast": {}}
    for oid, relation in foreign.items():
        if relation.rows.total:
            found[relation.kind][oid] = relation
    # Long values never move without the row that holds them, which has been counted as its table's.
    by_themselves = {} if found["table"] else found["toast"]
    return Written(
        tables={relation.name: relation.rows.total for relation in found["table"].values()},
        oids=frozenset(found["table"]),
        catalog=sum(relation.rows.total for relation in (*found["catalog"].values(), *by_themselves.values())),
        elsewhere=elsewhere.total,
    )


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
