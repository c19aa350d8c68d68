"""The catalog against real servers: equal after a dump and restore, and every kind of change is found by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pglast
import pytest
from msgspec.structs import replace

from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.catalog import Catalog, Difference, diff, read, reading, stamp
from operations.catalog.ddl import Restated, restated
from operations.catalog.identities import identity
from operations.catalog.normal import array_casts
from operations.database_url import parse_database_url
from operations.errors import StatementFailed, Tampered
from operations.schema_file import SchemaRecord
from operations.schema_record import Drift, compared

from .conftest import Server
from .corpus import HISTORIES, corpus
from .regression import dumped_and_restored, regression_database

pytestmark = pytest.mark.each_version


@dataclass(frozen=True)
class Sample:
    server: Server
    name: str
    catalog: Catalog
    stamp: str


@pytest.fixture(scope="module")
def sample15(server15: Server) -> Sample:
    return _sample(server15)


@pytest.fixture(scope="module")
def sample18(server18: Server) -> Sample:
    return _sample(server18)


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def sample(request: pytest.FixtureRequest) -> Sample:
    found: Sample = request.getfixturevalue(f"sample{request.param}")
    return found


@pytest.fixture
def session(sample: Sample) -> Iterator[PostgresSession]:
    """As superuser on the sample, in a transaction that is rolled back."""
    with sample.server.superuser(sample.name).session() as session:
        session.execute("BEGIN")
        yield session
        session.execute("ROLLBACK")


def _sample(server: Server) -> Sample:
    name = regression_database(server, for_others=True)
    with server.superuser(name).session() as session:
        return Sample(server, name, read(session), stamp(session))


def _names(differences: tuple[Difference, ...]) -> set[str]:
    return {f"{difference.kind} {difference.object}" for difference in differences}


def test_equal_after_dump_and_restore(sample: Sample, tmp_path: Path) -> None:
    copy = dumped_and_restored(sample.server, sample.name, tmp_path)
    with sample.server.superuser(copy).session() as session:
        restored = read(session)
    assert [str(difference) for difference in diff(sample.catalog, restored)] == []
    assert restored.fingerprint == sample.catalog.fingerprint
    assert len(restored.objects) > 250


@pytest.mark.corpus
@pytest.mark.parametrize("history", HISTORIES)
def test_real_schemas_are_equal_after_dump_and_restore(server: Server, history: str, tmp_path: Path) -> None:
    name = server.create()
    with server.superuser(name).session() as session:
        for folder in sorted(corpus(history).iterdir()):
            if (folder / "migration.sql").exists():
                _apply_unless_extension_is_missing(session, (folder / "migration.sql").read_text(encoding="utf-8"))
        catalog = read(session)
        _assert_no_drift(session, SchemaRecord("r", "2024-01-01", server.major, (), catalog, stamp(session)))
    copy = dumped_and_restored(server, name, tmp_path)
    with server.superuser(copy).session() as session:
        assert [str(difference) for difference in diff(catalog, read(session))] == []
    assert len(catalog.objects) > 300


def _assert_no_drift(session: PostgresSession, record: SchemaRecord) -> None:
    """Neither by what maintenance writes into the catalog."""
    session.execute("ANALYZE")
    assert stamp(session) == record.stamp
    for statement in ("REINDEX SCHEMA public", "VACUUM"):
        session.execute(statement)
    now = replace(record, catalog=read(session))
    assert compared(SchemaRecord.from_bytes(record.to_bytes()), now) == Drift("none since run r")


def _apply_unless_extension_is_missing(session: PostgresSession, text: str) -> None:
    try:
        session.script(text)
    except StatementFailed as error:
        if "uuid" not in str(error):
            raise


CHANGES: list[tuple[str, set[str]]] = [
    ("CREATE SCHEMA s1", {"added schema s1"}),
    ("ALTER SCHEMA app_private OWNER TO postgres", {"changed schema app_private"}),
    ("DROP EXTENSION btree_gist CASCADE", {
        "removed extension btree_gist", "removed constraint data.booking.booking_room_during_excl",
        "removed index data.booking_room_during_excl"}),
    ("ALTER EXTENSION citext SET SCHEMA app_private", {
        "changed extension citext", "changed column data.numbered.email", "changed column data.people.email",
        "removed privileges of function public.citext_eq(public.citext,public.citext)",
        "added privileges of function app_private.citext_eq(app_private.citext,app_private.citext)"}),
    ("CREATE TABLE data.t1 ()", {"added table data.t1"}),
    ("DROP TABLE data.no_columns", {"removed table data.no_columns"}),
    ("ALTER TABLE data.unlogged_table SET LOGGED", {"changed table data.unlogged_table"}),
    ("ALTER TABLE data.no_columns SET (fillfactor = 50)", {"changed table data.no_columns"}),
    ("ALTER TABLE data.numbered SET (toast.autovacuum_enabled = true)", {"changed table data.numbered"}),
    ("ALTER TABLE data.numbered NO FORCE ROW LEVEL SECURITY", {"changed table data.numbered"}),
    ("ALTER TABLE data.booking REPLICA IDENTITY FULL", {"changed table data.booking"}),
    ("ALTER TABLE data.booking OWNER TO app_owner", {"changed table data.booking"}),
    ("GRANT SELECT ON data.parent TO app_reader", {"changed table data.parent"}),
    ("COMMENT ON TABLE data.booking IS 'x'", {"changed table data.booking"}),
    ("ALTER TABLE data.measure DETACH PARTITION data.measure_2024", {
        "changed table data.measure_2024", "changed index data.measure_2024_pkey",
        "changed index data.measure_2024_kind_idx", "removed trigger data.measure_2024.on_partitions"}),
    ("ALTER TABLE data.child NO INHERIT data.parent", {
        "changed table data.child", "changed column data.child.a", "changed column data.child.late",
        "changed constraint data.child.a_small"}),
    ("ALTER TABLE data.booking ADD COLUMN note text", {"added column data.booking.note"}),
    ("ALTER TABLE data.values_ DROP COLUMN d", {"removed column data.values_.d"}),
    ("ALTER TABLE data.values_ RENAME COLUMN d TO e", {"removed column data.values_.d", "added column data.values_.e"}),
    ("ALTER TABLE data.values_ DROP COLUMN d; ALTER TABLE data.values_ ADD COLUMN d date", {
        "changed columns of data.values_"}),
    ("ALTER TABLE data.values_ ALTER COLUMN n TYPE numeric(10, 2) USING 1", {"changed column data.values_.n"}),
    ("ALTER TABLE data.values_ ALTER COLUMN n SET DEFAULT 5", {"changed column data.values_.n"}),
    ("ALTER TABLE data.numbered ALTER COLUMN later TYPE text COLLATE \"POSIX\"", {
        "changed column data.numbered.later"}),
    ("ALTER TABLE data.numbered ALTER COLUMN status SET STORAGE MAIN", {"changed column data.numbered.status"}),
    ("ALTER TABLE data.numbered ALTER COLUMN later SET COMPRESSION DEFAULT", {"changed column data.numbered.later"}),
    ("ALTER TABLE data.numbered ALTER COLUMN width SET STATISTICS 9", {"changed column data.numbered.width"}),
    ("ALTER TABLE data.numbered ALTER COLUMN height RESET (n_distinct)", {"changed column data.numbered.height"}),
    ("ALTER TABLE data.numbered ALTER COLUMN area DROP EXPRESSION", {"changed column data.numbered.area"}),
    ("ALTER TABLE data.numbered ALTER COLUMN id DROP IDENTITY", {
        "changed column data.numbered.id", "removed sequence data.numbered_id_seq"}),
    ("REVOKE UPDATE (status) ON data.numbered FROM app_reader", {"changed column data.numbered.status"}),
    ("COMMENT ON COLUMN data.numbered.id IS NULL", {"changed column data.numbered.id"}),
    ("ALTER TABLE data.numbered VALIDATE CONSTRAINT positive", {"changed constraint data.numbered.positive"}),
    ("ALTER TABLE data.measure_note ALTER CONSTRAINT measure_note_measure_id_measure_at_kind_fkey NOT DEFERRABLE", {
        "changed constraint data.measure_note.measure_note_measure_id_measure_at_kind_fkey"}),
    ("ALTER TABLE data.typed ADD CHECK (p > 1)", {"added constraint data.typed.typed_p_check"}),
    ("ALTER TABLE data.measure_note DROP CONSTRAINT later_checked", {
        "removed constraint data.measure_note.later_checked"}),
    ("ALTER TABLE data.measure_note DISABLE TRIGGER ALL", {
        "changed constraint data.measure_note.later_checked",
        "changed constraint data.measure_note.measure_note_measure_id_measure_at_kind_fkey"}),
    ("CREATE INDEX i1 ON data.booking (room)", {"added index data.i1"}),
    ("DROP INDEX data.numbered_desc", {"removed index data.numbered_desc"}),
    ("ALTER INDEX data.numbered_expr SET (fillfactor = 60)", {"changed index data.numbered_expr"}),
    ("ALTER INDEX data.numbered_expr ALTER COLUMN 2 SET STATISTICS 5", {"changed index data.numbered_expr"}),
    ("ALTER TABLE data.numbered SET WITHOUT CLUSTER", {"changed index data.numbered_pkey"}),
    ("ALTER TABLE data.measure_note REPLICA IDENTITY DEFAULT", {
        "changed table data.measure_note", "changed index data.note_measure"}),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'data.numbered_desc'::regclass", {
        "changed index data.numbered_desc"}),
    ("ALTER SEQUENCE data.seq_fresh INCREMENT 3", {"changed sequence data.seq_fresh"}),
    ("ALTER SEQUENCE data.numbered_old_seq OWNED BY NONE", {"changed sequence data.numbered_old_seq"}),
    ("REVOKE USAGE ON SEQUENCE data.seq_set FROM app_reader", {"changed sequence data.seq_set"}),
    ("CREATE VIEW data.v1 AS SELECT 1 AS a", {"added view data.v1", "added column data.v1.a"}),
    ("CREATE OR REPLACE VIEW data.people WITH (security_barrier, check_option = local) AS"
     " SELECT id, email, status FROM data.numbered", {"changed view data.people"}),
    ("ALTER VIEW data.people RESET (security_barrier)", {"changed view data.people"}),
    ("DROP MATERIALIZED VIEW data.empty_summary", {
        "removed materialized view data.empty_summary", "removed column data.empty_summary.n",
        "removed column data.empty_summary.kind", "removed column data.empty_summary.c"}),
    ("REFRESH MATERIALIZED VIEW data.summary WITH NO DATA", {"changed materialized view data.summary"}),
    ("ALTER TABLE data.typed ENABLE RULE log_it", {"changed rule data.typed.log_it"}),
    ("DROP RULE no_delete ON data.numbered", {"removed rule data.numbered.no_delete"}),
    ("ALTER TABLE data.numbered ENABLE TRIGGER off", {"changed trigger data.numbered.off"}),
    ("DROP TRIGGER touch ON data.numbered", {"removed trigger data.numbered.touch"}),
    ("CREATE OR REPLACE TRIGGER touch AFTER UPDATE ON data.numbered FOR EACH ROW EXECUTE FUNCTION data.touch()", {
        "changed trigger data.numbered.touch"}),
    ("ALTER POLICY mine ON data.numbered TO app_reader", {"changed policy data.numbered.mine"}),
    ("ALTER POLICY reading ON data.numbered USING (id > 1)", {"changed policy data.numbered.reading"}),
    ("CREATE OR REPLACE FUNCTION data.sum_atomic(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'", {
        "changed function data.sum_atomic(integer, integer)"}),
    ("ALTER FUNCTION data.total SECURITY INVOKER", {"changed function data.total(numeric, integer[])"}),
    ("ALTER FUNCTION data.total SET work_mem = '1MB'", {"changed function data.total(numeric, integer[])"}),
    ("GRANT EXECUTE ON FUNCTION data.total TO PUBLIC", {"changed function data.total(numeric, integer[])"}),
    ("DROP PROCEDURE data.work", {"removed procedure data.work(integer)"}),
    ("CREATE OR REPLACE AGGREGATE data.product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '2')", {
        "changed aggregate data.product(numeric)"}),
    ("CREATE OPERATOR data.|/| (RIGHTARG = int, FUNCTION = int4abs)", {"added operator data.|/|(, integer)"}),
    ("ALTER OPERATOR data.===(data.address, data.address) SET (RESTRICT = eqsel)", {
        "changed operator data.===(data.address, data.address)"}),
    ("ALTER OPERATOR FAMILY data.int_desc USING btree ADD FUNCTION 2 (int, int) btint4sortsupport(internal)", {
        "changed operator family data.int_desc using btree"}),
    ("CREATE OPERATOR CLASS data.oc FOR TYPE int USING hash FAMILY integer_ops AS STORAGE int", {
        "added operator class data.oc using hash"}),
    ("ALTER TYPE data.mood ADD VALUE 'great' AFTER 'sad'", {"changed type data.mood"}),
    ("ALTER TYPE data.mood RENAME VALUE 'ok' TO 'fine'", {"changed type data.mood"}),
    ("ALTER TYPE data.address ADD ATTRIBUTE city text CASCADE", {
        "added attribute data.address.city", "added column data.of_type.city"}),
    ("ALTER DOMAIN data.percent DROP NOT NULL", {"changed type data.percent"}),
    ("ALTER DOMAIN data.percent SET DEFAULT 3", {"changed type data.percent"}),
    ("ALTER DOMAIN data.code ADD CONSTRAINT short CHECK (length(VALUE) < 3) NOT VALID", {
        "added constraint data.code.short"}),
    ("CREATE TYPE data.days AS RANGE (subtype = date)", {"added type data.days"}),
    ("GRANT USAGE ON TYPE data.mood TO app_reader", {"changed type data.mood"}),
    ("DROP CAST (int AS data.address)", {"removed cast (integer AS data.address)"}),
    ("CREATE COLLATION data.other (provider = libc, locale = 'C')", {"added collation data.other"}),
    ("DROP CONVERSION data.latin", {"removed conversion data.latin"}),
    ("CREATE LANGUAGE mine HANDLER plpgsql_call_handler", {"added language mine"}),
    ("ALTER TEXT SEARCH CONFIGURATION data.search DROP MAPPING FOR email", {
        "changed text search configuration data.search"}),
    ("ALTER TEXT SEARCH DICTIONARY data.plain (STOPWORDS)", {"changed text search dictionary data.plain"}),
    ("ALTER STATISTICS data.width_height SET STATISTICS 5", {"changed statistics data.width_height"}),
    ("ALTER PUBLICATION everything SET (publish = 'delete')", {"changed publication everything"}),
    ("ALTER PUBLICATION chosen DROP TABLE data.booking", {"removed publication chosen of data.booking"}),
    ("ALTER PUBLICATION chosen SET TABLE data.measure_note (id, measure_id) WHERE (id > 1), data.booking", {
        "changed publication chosen of data.measure_note"}),
    ("ALTER PUBLICATION by_schema ADD TABLES IN SCHEMA data", {"added publication by_schema of schema data"}),
    ("CREATE SUBSCRIPTION s1 CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)", {
        "added subscription s1"}),
    ("ALTER TABLE data.numbered SET (fillfactor = 90)", set()),
    ("CREATE FOREIGN DATA WRAPPER w1", {"added foreign data wrapper w1"}),
    ("ALTER SERVER away OPTIONS (SET host 'elsewhere.invalid')", {"changed server away"}),
    ("ALTER USER MAPPING FOR app_owner SERVER away OPTIONS (SET password 'other')", {
        "changed user mapping for app_owner on away"}),
    ("ALTER FOREIGN TABLE data.far OPTIONS (SET table_name 'farther')", {"changed foreign table data.far"}),
    ("ALTER FOREIGN TABLE data.far ALTER COLUMN id OPTIONS (SET column_name 'i')", {"changed column data.far.id"}),
    ("ALTER EVENT TRIGGER watch DISABLE", {"changed event trigger watch"}),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA data REVOKE SELECT ON TABLES FROM app_reader", {
        "removed default privileges of app_owner on tables in data"}),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT EXECUTE ON FUNCTIONS TO app_reader", {
        "changed default privileges of app_owner on functions"}),
    ("CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))", {
        "added transform for integer language plpgsql"}),
    ("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler", {"added access method heap2"}),
    ("GRANT SELECT ON pg_catalog.pg_authid TO app_reader", {"added privileges of table pg_catalog.pg_authid"}),
]  # fmt: skip


ALSO_ON_18 = {
    "ALTER TABLE data.measure DETACH": {"changed column data.measure_2024.id"},
    "ALTER TABLE data.child NO INHERIT": {"changed constraint data.child.parent_a_not_null"},
    "ALTER DOMAIN data.percent DROP": {"removed constraint data.percent.percent_not_null"},
}
"""NOT NULL constraints have names there, and partitions their parent's identity."""


GOLDEN = Path(__file__).parent / "golden" / "drift.txt"
GOLDEN_MAJOR = 18
UNDOING = ("ALTER ", "GRANT ", "REVOKE ", "COMMENT ", "REFRESH ")
MAKING = (" ADD COLUMN ", " ADD CONSTRAINT ", " ADD TABLE ", " ADD GENERATED ")
NEW_TABLE = """
CREATE TABLE data.fresh (id int PRIMARY KEY, label text COLLATE "C" DEFAULT 'x' NOT NULL, twice int
  GENERATED ALWAYS AS (id * 2) STORED, booking int CHECK (booking > 0),
  CONSTRAINT fk FOREIGN KEY (id) REFERENCES data.fresh)
  WITH (fillfactor = 70);
ALTER TABLE data.fresh ENABLE ROW LEVEL SECURITY, ALTER COLUMN label SET STATISTICS 7;
CREATE INDEX fresh_label ON data.fresh (lower(label)) WHERE id > 1;
CREATE TRIGGER touch BEFORE UPDATE ON data.fresh FOR EACH ROW EXECUTE FUNCTION data.touch();
COMMENT ON COLUMN data.fresh.label IS 'a label';
GRANT SELECT ON data.fresh TO app_reader;
"""


@pytest.mark.parametrize(("ddl", "expected"), CHANGES, ids=[ddl[:60] for ddl, _ in CHANGES])
def test_each_change_is_found_by_name(sample: Sample, session: PostgresSession, ddl: str, expected: set[str]) -> None:
    if sample.server.major >= 18:
        expected = expected.union(*(also for begin, also in ALSO_ON_18.items() if ddl.startswith(begin)))
    session.script(ddl)
    changed = read(session)
    assert _names(diff(sample.catalog, changed)) == expected
    assert (changed.fingerprint == sample.catalog.fingerprint) is (not expected)
    assert not expected or stamp(session) != sample.stamp, "who looks whether anything has changed sees it"
    told = restated(sample.catalog, changed, diff(sample.catalog, changed))
    assert bool(told) is bool(expected)
    for one in told:
        assert not (one.change == "added" and one.recorded)
        assert not (one.change == "removed" and one.stands)
        for statement in one.recorded + one.stands:
            pglast.parse_sql(statement)
    if sample.server.major == GOLDEN_MAJOR:
        assert [line for one in told for line in (f"{one.change} {one.object}", *one.lines())] == _golden(ddl)
        _leads_back(sample.catalog, session, told)


def _golden(ddl: str) -> list[str]:
    """What the file has about a change; its sections begin with ``== ``."""
    sections = GOLDEN.read_text(encoding="utf-8").split("\n== ")[1:]
    (found,) = [section for section in sections if section.startswith(f"{ddl}\n") or section == ddl]
    return found.splitlines()[1:]


def _leads_back(recorded: Catalog, session: PostgresSession, told: tuple[Restated, ...]) -> None:
    """Performed on what was changed, the statements of what was recorded undo it, where they make nothing anew."""
    statements = [statement for one in told for statement in one.recorded]
    if not statements or any(one.change == "added" for one in told):
        return
    if not all(s.startswith(UNDOING) and not any(word in s for word in MAKING) for s in statements):
        return
    for statement in statements:
        session.execute(statement)
    assert [str(difference) for difference in diff(recorded, read(session))] == []


def test_a_stamp_stays_the_same_while_only_rows_change(sample: Sample) -> None:
    with sample.server.superuser(sample.name).session() as session:
        session.script(
            "BEGIN; TRUNCATE data.booking; REINDEX TABLE data.numbered; ANALYZE data.numbered;"
            " INSERT INTO data.numbered (height, email) VALUES (3, 'x@y'); SELECT nextval('data.seq_set')"
        )
        assert stamp(session) == sample.stamp
        session.execute("ROLLBACK")
    owner = PostgresDatabase(parse_database_url(sample.server.url(sample.name)))
    with owner.session() as session:
        assert stamp(session) == stamp(session), "a plain role may take it, too"


def test_what_is_shown_hides_passwords(session: PostgresSession) -> None:
    session.script("CREATE FOREIGN DATA WRAPPER w1; CREATE SERVER s1 FOREIGN DATA WRAPPER w1 OPTIONS (password 'one')")
    before = read(session)
    session.script("ALTER SERVER s1 OPTIONS (SET password 'the other')")
    after = read(session)
    (one,) = restated(before, after, diff(before, after))
    assert one.recorded[0].startswith("ALTER SERVER s1 OPTIONS (SET password '… ")
    assert one.stands[0].startswith("ALTER SERVER s1 OPTIONS (SET password '… ")
    assert "other" not in one.stands[0]


def test_of_what_was_not_read_nothing_is_told_as_sql(session: PostgresSession) -> None:
    session.script("CREATE TABLE data.parted (a int) PARTITION BY RANGE (a)")
    before = read(session)
    session.script(
        "DROP TABLE data.parted; CREATE TABLE data.parted (a int) PARTITION BY LIST (a);"
        "CREATE TABLE data.late (a int PRIMARY KEY); COMMENT ON TABLE data.late IS 'x';"
        "CREATE TYPE data.pair AS (a int, b int); CREATE VIEW data.seen AS SELECT 1 one"
    )
    whole = read(session)
    for unread in (frozenset({"column", "attribute", "index", "constraint"}), frozenset({"constraint"})):
        objects = {key: text for key, text in whole.objects.items() if identity(key).kind not in unread}
        after = Catalog(objects, unread=unread)
        told = {one.object: one.stands for one in restated(before, after, diff(before, after))}
        columns = "columns and " if "column" in unread else ""
        lacking, attributes = f"its {columns}constraints were not read", columns.replace("columns", "attributes")
        assert told["table data.late"][0] == f"-- TABLE data.late: {lacking}"
        assert told["table data.late"][-1] == "COMMENT ON TABLE data.late IS 'x';", "what was read is told"
        assert not any(statement.startswith("CREATE") for statement in told["table data.late"])
        assert told["table data.parted"] == (f"-- TABLE data.parted: {lacking}",)
        assert told["type data.pair"][0] == f"-- TYPE data.pair: its {attributes}constraints were not read"
        assert told["view data.seen"][0].startswith("CREATE VIEW data.seen AS")
        assert ("-- VIEW data.seen: its columns were not read" in told["view data.seen"]) is bool(columns)
    told = {one.object: one.stands for one in restated(before, whole, diff(before, whole))}
    assert not any(statement.startswith("--") for statements in told.values() for statement in statements)


def test_a_new_table_is_told_with_all_that_belongs_to_it(session: PostgresSession) -> None:
    before = read(session)
    session.script(NEW_TABLE)
    after = read(session)
    told = restated(before, after, diff(before, after))
    assert [one.object for one in told] == ["index data.fresh_label", "table data.fresh", "trigger data.fresh.touch"]
    session.script("DROP TABLE data.fresh")
    for one in sorted(told, key=lambda one: not one.object.startswith("table ")):
        for statement in one.stands:
            session.execute(statement)
    assert [str(difference) for difference in diff(after, read(session))] == [], "what is told makes it"


def test_named_not_null_and_not_enforced_constraints(sample18: Sample) -> None:
    with sample18.server.superuser(sample18.name).session() as session:
        session.execute("BEGIN")
        session.script(
            "ALTER TABLE data.booking ADD CONSTRAINT given NOT NULL room NOT VALID,"
            " ADD CONSTRAINT unenforced CHECK (room > 5) NOT ENFORCED;"
            "ALTER TABLE data.booking ADD COLUMN twice int GENERATED ALWAYS AS (room * 2) VIRTUAL"
        )
        assert _names(diff(sample18.catalog, read(session))) == {
            "added column data.booking.twice", "added constraint data.booking.given",
            "changed column data.booking.room", "added constraint data.booking.unenforced",
        }  # fmt: skip
        session.execute("ROLLBACK")


ALONE = {
    "access_methods": "CREATE ACCESS METHOD m TYPE INDEX HANDLER gisthandler",
    "aggregates": "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int)",
    "casts": "CREATE CAST (int AS inet) WITH INOUT",
    "collations": 'CREATE COLLATION plain FROM "C"',
    "column_order": "CREATE TYPE pair AS (a int, b int)",
    "columns": "CREATE VIEW one AS SELECT 1 AS a",
    "constraints": "CREATE TABLE t (a int CHECK (a > 0))",
    "conversions": "CREATE CONVERSION c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "default_privileges": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "domain_constraints": "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "event_triggers": "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    " CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
    "foreign_data_wrappers": "CREATE FOREIGN DATA WRAPPER w",
    "foreign_servers": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w",
    "functions": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "indexes": "CREATE TABLE t (a int); CREATE INDEX ON t (a)",
    "languages": "CREATE LANGUAGE l HANDLER plpgsql_call_handler",
    "operator_classes": "CREATE OPERATOR CLASS o FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int)",
    "operator_families": "CREATE OPERATOR FAMILY o USING btree",
    "operators": "CREATE OPERATOR ## (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
    "policies": "CREATE TABLE t (a int); CREATE POLICY p ON t",
    "publication_schemas": "CREATE PUBLICATION p FOR TABLES IN SCHEMA public",
    "publication_tables": "CREATE TABLE t (a int); CREATE PUBLICATION p FOR TABLE t",
    "publications": "CREATE PUBLICATION p",
    "rules": "CREATE TABLE t (a int); CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
    "sequences": "CREATE SEQUENCE s",
    "statistics": "CREATE TABLE t (a int, b int); CREATE STATISTICS s ON a, b FROM t",
    "subscriptions": "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)",
    "tables": "CREATE TABLE t ()",
    "text_search_configurations": "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",
    "text_search_dictionaries": "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
    "text_search_parsers": "CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
    " LEXTYPES = prsd_lextype)",
    "text_search_templates": "CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize)",
    "transforms": "CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
    "triggers": "CREATE TABLE t (a int); CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "types": "CREATE TYPE mood AS ENUM ('well')",
    "user_mappings": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE USER MAPPING FOR PUBLIC SERVER s",
    "views": "CREATE VIEW one AS SELECT 1 AS a",
}
"""What makes an object of that query's kind in a database that has none."""


def test_an_object_is_found_where_it_is_the_only_one_of_its_kind(server: Server) -> None:
    with server.superuser(server.create()).session() as session:
        queries = dict(reading.queries(session.server_version // 10000))
        assert {name for name, text in queries.items() if reading.OF.search(text)} == ALONE.keys()
        for name, text in queries.items():
            if name not in ALONE:
                continue
            session.execute("BEGIN")
            session.script(ALONE[name])
            made = {row[2] for row in session.rows(text)}
            assert made, name
            assert made <= read(session).objects.keys(), name
            session.execute("ROLLBACK")


def test_temporary_tables_and_excluded_ones_are_left_out(sample: Sample, session: PostgresSession) -> None:
    session.script(
        "CREATE TEMP TABLE t (id serial PRIMARY KEY); CREATE TABLE public.history (id serial PRIMARY KEY, a text);"
        "CREATE INDEX ON public.history (a); COMMENT ON TABLE public.history IS 'x'"
    )
    assert diff(sample.catalog, read(session, frozenset({("public", "history")}))) == ()
    assert len(diff(sample.catalog, read(session))) >= 5


def test_reading_leaves_transaction_settings_and_locks_as_they_were(sample: Sample) -> None:
    with sample.server.superuser(sample.name).session() as session:
        session.execute("SET search_path = data, public")
        outside = read(session)
        assert session.rows("SHOW search_path") == [("data, public",)]
        session.execute("BEGIN")
        session.execute("SET LOCAL search_path = app_private")
        session.execute("CREATE TABLE data.uncommitted ()")
        locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
        before = session.rows(locks)
        inside = read(session)
        assert session.rows("SHOW search_path") == [("app_private",)]
        assert session.rows(locks) == before
        session.execute("COMMIT")
        assert _names(diff(outside, inside)) == {"added table data.uncommitted"}
        assert read(session).fingerprint == inside.fingerprint
        session.execute("DROP TABLE data.uncommitted")
        assert read(session).fingerprint == outside.fingerprint == sample.catalog.fingerprint


def test_definitions_read_the_same_whatever_a_session_has_set(sample: Sample) -> None:
    """Found by hand: the default 'a\\b' came out as another one where the database had old-style strings."""
    with sample.server.superuser(sample.name).session() as session:
        session.script(
            "BEGIN; CREATE TABLE data.settings (a text DEFAULT 'a\\b', b date DEFAULT '2020-01-02',"
            " c bytea DEFAULT '\\xff', d timestamptz DEFAULT '2020-01-02 03:04+00',"
            " e interval DEFAULT '1 day 2h', f float8 DEFAULT 0.1::float4)"
        )
        before = read(session)
        session.script(
            "SET standard_conforming_strings = off; SET datestyle = 'German, DMY'; SET bytea_output = escape;"
            " SET timezone = 'Asia/Kathmandu'; SET intervalstyle = iso_8601; SET extra_float_digits = -15"
        )
        assert diff(before, read(session)) == ()
        session.execute("ROLLBACK")


def test_a_plain_role_reads_it_too_and_is_told_what_it_cannot_see(sample: Sample) -> None:
    owner = PostgresDatabase(parse_database_url(sample.server.url(sample.name)))
    with owner.session() as session:
        seen = read(session)
    assert seen.unreadable == ("options of the user mapping for public on away",)
    assert _names(diff(sample.catalog, seen)) == {"changed user mapping for public on away"}


def test_secrets_of_user_mappings_do_not_show(sample: Sample) -> None:
    assert "secret word" not in "".join(sample.catalog.objects.values())


def test_tables_that_come_and_go_meanwhile_do_no_harm(server: Server) -> None:
    database = server.superuser(server.create())
    stop = threading.Event()

    def churn() -> None:
        with database.session() as session:
            while not stop.is_set():
                session.script("CREATE TABLE comes (id serial PRIMARY KEY, a varchar CHECK (a IN ('x', 'y')))")
                session.script("CREATE VIEW v AS SELECT * FROM comes")
                session.script("DROP TABLE comes CASCADE")

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        with database.session() as session:
            until = time.monotonic() + 2
            while time.monotonic() < until:
                assert "schema public" in read(session).objects
    finally:
        stop.set()
        worker.join()


def test_a_catalog_survives_a_file_and_nothing_else_is_taken_for_one(sample: Sample) -> None:
    assert Catalog.from_json(sample.catalog.to_json()).fingerprint == sample.catalog.fingerprint
    for wrong in (None, [], {"objects": {"a": 1}, "unreadable": []}, {"objects": {}}):
        with pytest.raises(Tampered):
            Catalog.from_json(wrong)


def test_a_dump_leaves_out_invalid_indexes_and_disabled_foreign_keys(sample: Sample, session: PostgresSession) -> None:
    session.script(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'data.numbered_desc'::regclass;"
        "ALTER TABLE data.measure_note DISABLE TRIGGER ALL"
    )
    assert _names(diff(sample.catalog, read(session).as_restored())) == {"removed index data.numbered_desc"}


def test_differences_name_the_properties() -> None:
    before = Catalog({"column public.t.a": '{"type": "integer", "not_null": true}'})
    after = Catalog({"column public.t.a": '{"type": "bigint"}', "table public.u": "{}"})
    assert [str(difference) for difference in diff(before, after)] == [
        "changed column public.t.a (type: integer → bigint; not_null: true → –)",
        "added table public.u",
    ]


@pytest.mark.parametrize(("printed", "normal"), [
    ("(a = ANY ((ARRAY['x'::character varying, 'y, z)'::character varying])::text[]))",
     "(a = ANY (ARRAY[('x'::character varying)::text, ('y, z)'::character varying)::text]))"),
    ("(ARRAY[f(1, 2), \"q]\"])::numeric(10,2)[]", "ARRAY[(f(1, 2))::numeric(10,2), (\"q]\")::numeric(10,2)]"),
    ("(ARRAY[(ARRAY[1])::bigint[]])::text[]", "ARRAY[(ARRAY[(1)::bigint])::text]"),
    ("'(ARRAY[1])::text[]'::text", "'(ARRAY[1])::text[]'::text"),
    ("(ARRAY[1, 2", "(ARRAY[1, 2"),
    ("ARRAY[1]", "ARRAY[1]"),
])  # fmt: skip
def test_array_casts_are_written_in_one_way(printed: str, normal: str) -> None:
    assert array_casts(printed) == normal


def test_what_is_not_known_as_sql_costs_no_other_finding() -> None:
    odd = {"trigger data.fresh.touch": '{"enabled": "?"}', "schema data": '{"owner": "one"}'}
    before, after = Catalog({}, ()), Catalog(odd, ())
    told = {one.object: one for one in restated(before, after, diff(before, after))}
    assert told.keys() == odd.keys()
    assert told["trigger data.fresh.touch"].stands[0].startswith("-- not known as SQL: ")
