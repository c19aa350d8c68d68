"""Who wrote what: never "nothing" when something was, and never somebody else for what we did ourselves."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from operations import writes
from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.errors import DataWouldBeLost, StatementFailed
from operations.writes import Counters, Written

from .conftest import Server

pytestmark = pytest.mark.each_version

PREPARED = """
    CREATE TABLE t (a int, b text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 20) i;
    CREATE TABLE doomed (a int); INSERT INTO doomed SELECT generate_series(1, 9);
    CREATE TABLE p (a int, b text) PARTITION BY RANGE (a);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50); CREATE TABLE p2 PARTITION OF p DEFAULT;
    INSERT INTO p SELECT i FROM generate_series(1, 99) i;
    CREATE MATERIALIZED VIEW m AS SELECT * FROM p; CREATE UNIQUE INDEX m_key ON m (a);
    CREATE TABLE k (a int PRIMARY KEY, r int REFERENCES k ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (77); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON k DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TYPE e AS ENUM ('a'); CREATE SEQUENCE s;
    SELECT lo_from_bytea(4711, 'abc');
"""

OURS = [
    "INSERT INTO t SELECT i FROM generate_series(1, 50) i; UPDATE t SET b = 'y'; DELETE FROM t WHERE a % 2 = 0",
    "TRUNCATE t; INSERT INTO t SELECT 1; TRUNCATE t; INSERT INTO t SELECT 1",
    "CREATE TABLE n (a int PRIMARY KEY, b text); INSERT INTO n SELECT i, repeat('x', i) FROM generate_series(1, 100) i",
    "CREATE TABLE n AS SELECT * FROM generate_series(1, 77) a; ALTER TABLE n ALTER COLUMN a TYPE bigint",
    "INSERT INTO doomed VALUES (1); DROP TABLE doomed",
    "INSERT INTO doomed VALUES (1); SAVEPOINT a; DROP TABLE doomed",
    "ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid(), ALTER COLUMN a TYPE text; CREATE INDEX ON t (b)",
    "CREATE TABLE gone (a text); INSERT INTO gone SELECT repeat(md5(i::text), 9999) FROM generate_series(1, 5) i;"
    "DROP TABLE gone",
    "SAVEPOINT a; INSERT INTO t SELECT 5; DROP TABLE doomed; ROLLBACK TO a; INSERT INTO t SELECT 6",
    "DO $$ BEGIN FOR i IN 1..20 LOOP BEGIN INSERT INTO t VALUES (i); IF i % 2 = 0 THEN RAISE EXCEPTION 'x'; END IF;"
    " EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$",
    "SELECT lo_from_bytea(0, repeat('x', 10000)::bytea); SELECT lo_unlink(4711)",
    "UPDATE p SET a = a + 30; ALTER TABLE p DETACH PARTITION p1; INSERT INTO p1 VALUES (1)",
    "INSERT INTO p VALUES (500); REFRESH MATERIALIZED VIEW m",
    "INSERT INTO p VALUES (501); REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "CLUSTER m USING m_key; ANALYZE",
    "CREATE TEMP TABLE x AS SELECT * FROM p; UPDATE x SET b = '1'; INSERT INTO t SELECT a FROM x; DROP TABLE x",
    "CREATE TEMP TABLE x AS SELECT * FROM p; UPDATE x SET b = '1'; INSERT INTO t SELECT a FROM x",
    "MERGE INTO t USING (SELECT 1 AS a UNION SELECT 999) s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 'm'"
    " WHEN NOT MATCHED THEN INSERT VALUES (3)",
    "INSERT INTO k VALUES (1, 2), (2, 1); SET CONSTRAINTS ALL DEFERRED; INSERT INTO k VALUES (5, NULL)",
    "ALTER TYPE e ADD VALUE 'b'; SELECT nextval('s') FROM generate_series(1, 100); COMMENT ON TABLE t IS 'x';"
    "GRANT SELECT ON t TO PUBLIC; ALTER TABLE t RENAME TO u; CREATE VIEW v AS SELECT * FROM u",
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
]

THEIRS = [
    ("INSERT INTO t VALUES (1), (2)", {"public.t": 2}),
    ("UPDATE t SET b = 'z' WHERE a = 1; DELETE FROM t WHERE a = 2", {"public.t": 2}),
    ("BEGIN; INSERT INTO t VALUES (1); ROLLBACK", {"public.t": 1}),
    ("INSERT INTO p VALUES (1, 'a'), (70, 'b')", {"public.p1": 1, "public.p2": 1}),
    ("SELECT lo_put(4711, 0, 'new')", {"pg_catalog.pg_largeobject": 1}),
    ("CREATE TABLE theirs AS SELECT 1 AS a", {"public.theirs": 1}),
    ("REFRESH MATERIALIZED VIEW m", {"public.m": 99}),
    ("INSERT INTO k VALUES (9, NULL)", {"public.k": 1, "public.t": 1}),
    ("TRUNCATE t", {}),
    ("ALTER TABLE t ADD COLUMN c int", {}),
    ("DROP TABLE doomed", {}),
    ("INSERT INTO doomed VALUES (1); DROP TABLE doomed", {}),
    ("COMMENT ON TABLE t IS 'theirs'", {}),
]


@pytest.fixture
def prepared(database: PostgresDatabase) -> PostgresDatabase:
    elsewhere(database, PREPARED, others=0)  # what it counted reaches the server's statistics when it ends
    return database


@pytest.fixture
def ours(prepared: PostgresDatabase) -> Iterator[PostgresSession]:
    with prepared.session() as session:
        yield session


def perform(session: PostgresSession, script: str) -> Counters:
    writes.flush(session)
    with session.transaction():
        session.script(script)
        return writes.own(session)


def elsewhere(database: PostgresDatabase, script: str, others: int = 1) -> None:
    """Run by another session, which is certainly gone afterwards; ``others`` stay."""
    with database.session() as session:
        session.script(script)
    wait_until_alone(database, others)


def wait_until_alone(database: PostgresDatabase, others: int = 0) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type <> 'autovacuum worker'"
    with database.session("postgres") as session:
        until = time.monotonic() + 60
        while session.rows(query, (database.target.database,))[0][0] > others:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_our_own_writes_are_not_held_against_others(prepared: PostgresDatabase) -> None:
    for script in OURS:
        with prepared.session() as session:
            session.script("DROP OWNED BY CURRENT_USER CASCADE; CREATE SCHEMA IF NOT EXISTS public;")
            session.script(PREPARED)
            before = writes.counters(session)
            own = perform(session, script)
            again = perform(session, "CREATE TABLE another (a int); INSERT INTO another VALUES (1)")
            assert str(writes.since(before, writes.counters(session), own + again)) == "nothing", script


def test_rolled_back_work_of_ours_is_not_held_against_others(ours: PostgresSession) -> None:
    for script in (
        "INSERT INTO t SELECT 1; CREATE TABLE n AS SELECT 1 AS a; SELECT 1/0",
        "DROP TABLE doomed; UPDATE p SET b = 'x'; SELECT 1/0",
    ):
        before = writes.counters(ours)
        writes.flush(ours)
        with pytest.raises(StatementFailed), ours.transaction():
            try:
                ours.script(script)
            except StatementFailed:
                own = writes.attempted(ours)
                raise
        assert str(writes.since(before, writes.counters(ours), own)) == "nothing"
        assert str(writes.since(before, writes.counters(ours), Counters())) != "nothing"


@pytest.mark.parametrize(("script", "tables"), THEIRS, ids=[script[:40] for script, _ in THEIRS])
def test_what_others_write_is_found(
    prepared: PostgresDatabase, ours: PostgresSession, script: str, tables: dict[str, int]
) -> None:
    before = writes.counters(ours)
    elsewhere(prepared, script)
    own = perform(ours, "INSERT INTO t SELECT generate_series(1, 100)")
    written = writes.since(before, writes.counters(ours), own)
    assert not written.certain_none
    assert written.reason is None
    assert written.tables == tables
    assert written.catalog or tables
    assert written.elsewhere == 0


def test_rows_of_theirs_in_a_table_that_we_drop_are_found(prepared: PostgresDatabase, ours: PostgresSession) -> None:
    before = writes.counters(ours)
    elsewhere(prepared, "INSERT INTO doomed VALUES (1), (2)")
    own = perform(ours, "DROP TABLE doomed")
    written = writes.since(before, writes.counters(ours), own)
    assert (written.certain_none, written.elsewhere, written.tables) == (False, 2, {})
    assert not written.only_outside(set())


def test_rows_still_uncounted_when_we_drop_their_table_are_found(
    prepared: PostgresDatabase, ours: PostgresSession
) -> None:
    with prepared.session() as other:
        before = writes.counters(ours)
        for _ in range(3):
            other.execute("INSERT INTO doomed VALUES (1)")
        own = perform(ours, "DROP TABLE doomed")
    wait_until_alone(prepared, others=1)
    written = writes.since(before, writes.counters(ours), own)
    assert (written.certain_none, written.elsewhere, written.reason) == (False, 3, None)


def test_planner_statistics_and_reading_are_no_writes(prepared: PostgresDatabase, ours: PostgresSession) -> None:
    before = writes.counters(ours)
    with prepared.session() as session:
        session.execute("VACUUM ANALYZE t")
        session.execute("ANALYZE")
        session.rows("SELECT count(*) FROM t, p")
    wait_until_alone(prepared, others=1)
    assert writes.since(before, writes.counters(ours), Counters()).certain_none


def test_only_outside_names_tables_by_what_they_are(prepared: PostgresDatabase, ours: PostgresSession) -> None:
    before = writes.counters(ours)
    elsewhere(prepared, "INSERT INTO doomed VALUES (1)")
    written = writes.since(before, writes.counters(ours), Counters())
    ((t, doomed),) = ours.rows("SELECT 't'::regclass::oid::bigint, 'doomed'::regclass::oid::bigint")
    assert written.only_outside({t})
    assert not written.only_outside({t, doomed})


def test_counts_that_cannot_be_compared_are_no_evidence(
    prepared: PostgresDatabase, ours: PostgresSession, server: Server
) -> None:
    before = writes.counters(ours)
    after = writes.counters(ours)
    own = perform(ours, "INSERT INTO t VALUES (1)")
    moment = before.moment
    assert moment
    for changed in (
        replace(moment, origin="another"), replace(moment, database_oid=1), replace(moment, counting=False),
        replace(moment, server_version=140012), replace(moment, uncounted="public.columnar"),
    ):  # fmt: skip
        assert writes.since(before, Counters(after.relations, changed), Counters()).reason
    assert "add up" in str(writes.since(before, after, own))
    assert writes.since(before, Counters(), own).reason
    for name in (prepared.target.database, "postgres"):
        with server.superuser(name).session() as session:
            if name == "postgres":
                session.execute(f"ALTER DATABASE {prepared.target.database} SET track_counts = off")
                assert "track_counts" in str(writes.since(before, writes.counters(ours), own))
            else:
                session.execute("SELECT pg_stat_reset_single_table_counters('t'::regclass)")
                assert "reset" in str(writes.since(before, writes.counters(ours), own))


def test_counters_survive_the_journal(ours: PostgresSession) -> None:
    before = writes.counters(ours)
    own = perform(ours, "INSERT INTO t VALUES (1)")
    for counters in (before, own, Counters()):
        assert Counters.from_json(counters.to_json()) == counters
    assert own.tables() == {"public.t"}
    assert Written.unknown("why").certain_none is False
    assert str(Written.unknown("why")) == "cannot be told: why"


def test_an_idle_session_may_hold_its_counts_back_and_is_named(
    prepared: PostgresDatabase, ours: PostgresSession
) -> None:
    assert writes.lagging(ours) == ()
    with prepared.session() as other:
        other.execute("INSERT INTO t VALUES (1)")
        assert writes.lagging(ours) == (f"app_owner (pid {other.pid})",)


def test_guard_is_content_only_if_nothing_was_written_at_all(prepared: PostgresDatabase) -> None:
    with prepared.session("postgres") as session:
        expected = content(prepared, session)
        elsewhere(prepared, "INSERT INTO t VALUES (1)", others=0)
        with session.transaction(), pytest.raises(DataWouldBeLost, match=r"\d row"):
            writes.guard(expected)(session)
        with pytest.raises(DataWouldBeLost, match="cannot be told"):
            writes.guard(Counters())(session)


def content(database: PostgresDatabase, session: PostgresSession) -> Counters:
    """Counters that the guard is content with; the server's own planner statistics may take a few attempts."""
    until = time.monotonic() + 60
    while True:
        with database.session() as looking:
            expected = writes.counters(looking)
        wait_until_alone(database)
        try:
            with session.transaction():
                writes.guard(expected)(session)
            return expected
        except DataWouldBeLost:
            assert time.monotonic() < until


class Writer(threading.Thread):
    """Writes rows into tables by chance, in transactions of chance; ``rows`` is what it has written where."""

    def __init__(self, database: PostgresDatabase, seed: int, stop: threading.Event) -> None:
        super().__init__()
        self.database, self.random, self.stop, self.rows = database, random.Random(seed), stop, dict[str, int]()
        self.pause = self.random.choice((0.0, 0.002, 0.2))

    def run(self) -> None:
        with self.database.session() as session:
            while not self.stop.wait(self.pause):
                count = self.random.randint(1, 20)
                table = self.random.choice(("t", "p1"))
                insert = f"INSERT INTO {table} SELECT 1 FROM generate_series(1, {count})"
                end = self.random.choice(("COMMIT", "COMMIT", "ROLLBACK"))
                session.script(f"BEGIN; {insert}; {end}")
                self.rows[f"public.{table}"] = self.rows.get(f"public.{table}", 0) + count


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.campaign) for seed in (1, 2)), 3])
def test_under_load_exactly_what_others_wrote_is_found(prepared: PostgresDatabase, seed: int) -> None:
    chance = random.Random(seed)
    stop = threading.Event()
    writers = [Writer(prepared, seed * 10 + number, stop) for number in range(seed)]
    own = Counters()
    with prepared.session() as session:
        before = writes.counters(session)
        for writer in writers:
            writer.start()
        try:
            for number in range(12):
                rows = chance.randint(1, 30)
                script = f"INSERT INTO t SELECT generate_series(1, {rows}); CREATE TABLE n{number} AS SELECT * FROM t"
                own = own + perform(session, script)
                writes.counters(session)
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        wait_until_alone(prepared, others=1)
        written = writes.since(before, writes.counters(session), own)
    expected: dict[str, int] = {}
    for writer in writers:
        for name, rows in writer.rows.items():
            expected[name] = expected.get(name, 0) + rows
    assert (written.reason, written.tables, written.catalog, written.elsewhere) == (None, expected, 0, 0)
    assert written.certain_none is (not expected)
