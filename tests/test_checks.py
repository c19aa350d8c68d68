"""Each check in both directions on real servers: the fault is made and found, it is mended and gone."""

from __future__ import annotations

import gzip
import ipaddress
import json
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from operations import backup, catalog, schema_record
from operations.adapters.certificates import ShownCertificates
from operations.adapters.http import HttpClient
from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.adapters.throwaway import FAST, ThrowawayServer
from operations.apply import apply
from operations.catalog import Catalog, reading
from operations.catalog.ddl import Restated, restated
from operations.catalog.identities import identity
from operations.checks import server_version
from operations.checks.certificates import judged
from operations.checks.model import Check, Probe
from operations.checks.retention import holes
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import StatementFailed, Tampered
from operations.health import NAMES, check
from operations.layout import state_directory
from operations.monitoring import store
from operations.monitoring.model import State
from operations.monitoring.trends import DAY, HOUR, runs_out, sampled
from operations.resolve import resolve
from operations.restore import restore, undo
from operations.rollback import rollback
from operations.schema_file import SchemaRecord, objects
from operations.schema_record import drift
from operations.secret import Secret
from operations.settings import App, Backups
from operations.settings import Server as Machine

from .conftest import DEBIAN_BINARIES, Server, missing
from .folders import write_migration
from .test_health import found, limited, run_sql
from .test_monitor import hook

BOTH = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a, c int, d int);"


@pytest.fixture
def plain(context: Context) -> Context:
    write_migration(context, "1_init", "SELECT 1;")
    return context


@pytest.mark.parametrize(
    ("index", "status"),
    [
        ("", "warn"),
        ("CREATE INDEX ON b (a)", "ok"),
        ("CREATE INDEX ON b (a, c)", "ok"),
        ("CREATE INDEX ON b (c, a)", "warn"),
        ("CREATE INDEX ON b (a) WHERE c > 0", "warn"),
        ("CREATE INDEX ON b ((a + 1))", "warn"),
    ],
)
def test_foreign_keys_without_an_index(
    server18: Server, context_of: Callable[..., Context], index: str, status: str
) -> None:
    context = context_of(server18.url(server18.create()))
    run_sql(context, BOTH + "INSERT INTO a VALUES (1); INSERT INTO b (a) VALUES (1);" + index)
    one = found(limited(context, unindexed=1), "foreign_key_indexes")
    assert one.status == status
    if status == "warn":
        assert one.detail == "without one: b_a_fkey on b (8.2 kB)"
        run_sql(context, one.fix.split(";")[0].replace("CONCURRENTLY ", ""))
        assert found(limited(context, unindexed=1), "foreign_key_indexes").status == "ok"
    assert found(context, "foreign_key_indexes").status == "ok", "a small table needs none"


def test_foreign_keys_of_several_columns_and_of_partitions(plain: Context) -> None:
    run_sql(
        plain,
        "CREATE TABLE a (x int, y int, PRIMARY KEY (x, y)); CREATE TABLE b (y int, x int, z int) PARTITION BY LIST (z);"
        "CREATE TABLE b1 PARTITION OF b DEFAULT; ALTER TABLE b ADD FOREIGN KEY (x, y) REFERENCES a;"
        "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1, 1)",
    )
    small = limited(plain, unindexed=1)
    assert found(small, "foreign_key_indexes").detail.startswith("without one: b_x_y_fkey on b (")
    run_sql(plain, "CREATE INDEX ON b (y, x, z)")
    assert found(small, "foreign_key_indexes").status == "ok"


def test_integer_keys_without_a_sequence_of_their_own(plain: Context) -> None:
    run_sql(
        plain,
        'CREATE TABLE "K" ("Id" smallint PRIMARY KEY); INSERT INTO "K" VALUES (-5); CREATE TABLE n (i int PRIMARY KEY)',
    )
    assert found(plain, "integer_keys").status == "ok"
    run_sql(plain, 'INSERT INTO "K" VALUES (30000)')
    one = found(plain, "integer_keys")
    assert (one.status, one.detail) == ("warn", '"K"."Id" has used 92% of its numbers')
    run_sql(plain, 'INSERT INTO "K" VALUES (32000)')
    assert found(plain, "integer_keys").status == "fail"
    assert found(limited(plain, ids_fail=99), "integer_keys").status == "warn"
    assert found(limited(plain, ids=99, ids_fail=98), "integer_keys").status == "ok"
    assert found(limited(plain, ids=99, ids_fail=97), "integer_keys").status == "fail", "it need not warn before"
    run_sql(plain, one.fix.split(";")[0])
    assert found(plain, "integer_keys").status == "ok"


def test_the_age_of_transaction_ids(server: Server, plain: Context) -> None:
    aged = limited(plain, transaction_age=100)
    with plain.database.session() as session:
        for _ in range(120):
            session.rows("SELECT pg_current_xact_id()")
    one = found(aged, "transaction_ids")
    assert one.status == "warn"
    assert found(limited(plain, transaction_age_fail=100), "transaction_ids").status == "fail"
    assert found(plain, "transaction_ids").status == "ok"
    with server.superuser(plain.database.target.database).session() as session:
        session.execute("VACUUM (FREEZE)")
    assert (found(aged, "transaction_ids").value or 0) < (one.value or 0)


def test_dead_rows_and_bloat(plain: Context) -> None:
    run_sql(
        plain,
        "CREATE TABLE t (id int PRIMARY KEY, word text) WITH (autovacuum_enabled = off);"
        "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i; ANALYZE t",
    )
    watched = limited(plain, dead_rows=1000, bloat=500_000)
    assert {found(watched, name).status for name in ("dead_rows", "bloat")} == {"ok"}
    with plain.database.session() as session:
        session.execute("DELETE FROM t WHERE id > 2000")
        session.rows("SELECT pg_stat_force_next_flush()")
        session.rows("SELECT 1")
    dead = found(watched, "dead_rows")
    assert (dead.status, dead.fix) == ("warn", "VACUUM (ANALYZE) public.t;")
    assert "18,000 dead" in dead.detail
    run_sql(plain, "ALTER TABLE t SET (vacuum_truncate = off)")
    for name in ("dead_rows", "bloat"):
        with plain.database.session() as session:
            session.execute(dead.fix.removesuffix(";"))
        one = found(watched, name)
        assert one.status == ("ok" if name == "dead_rows" else "warn")
    assert "in vain" in one.detail
    with plain.database.session() as session:
        session.execute("VACUUM (FULL, ANALYZE) t")
    assert found(watched, "bloat").status == "ok"


def test_replication_slots_that_hold_the_write_ahead_log(server: Server, plain: Context) -> None:
    name = f"slot_{plain.database.target.database}"
    with server.superuser(plain.database.target.database).session() as session:
        session.rows("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (name,))
        try:
            session.execute("CREATE TABLE filler AS SELECT repeat('x', 500) FROM generate_series(1, 2000)")
            session.execute("CHECKPOINT")  # nobody waits for its log to be written here: synchronous_commit is off
            one = found(limited(plain, slot_wal=100_000), "replication_slots")
            assert one.status == "warn"
            assert f"{name} (inactive) keeps" in one.detail
            assert found(limited(plain, slot_wal=10**12), "replication_slots").status == "ok"
        finally:
            session.rows("SELECT pg_drop_replication_slot(%s)", (name,))
    assert name not in found(limited(plain, slot_wal=1), "replication_slots").detail


def test_prepared_transactions(server: Server, plain: Context) -> None:
    gid = f"it's {plain.database.target.database}"
    assert found(plain, "prepared_transactions").status == "ok"
    with plain.database.session() as session:
        session.script(f"BEGIN; CREATE TABLE p (); PREPARE TRANSACTION '{gid.replace(chr(39), chr(39) * 2)}'")
    one = found(plain, "prepared_transactions")
    assert (one.status, one.detail) == ("warn", gid)
    run_sql(plain, one.fix.split(" or ")[1])
    assert found(plain, "prepared_transactions").status == "ok"


def test_connections_that_run_out(plain: Context) -> None:
    assert found(plain, "connections").status == "ok"
    one = found(limited(plain, connections=1), "connections")
    assert (one.status, 0 < (one.value or 0) < 1) == ("warn", True)


def test_a_slow_way_to_the_database(plain: Context) -> None:
    assert found(limited(plain, latency=0.0), "connection").why.startswith("Each statement waits")


def test_checks_that_are_not_made(plain: Context) -> None:
    names = {one.name for one in check(limited(plain, ignore=("drift", "backups"))).checks}
    assert names.isdisjoint({"drift", "backups"})
    assert {"connection", "disk"} <= names


def test_many_looks_need_few_sessions(server18: Server, context_of: Callable[..., Context]) -> None:
    name = server18.create()
    with server18.superuser().session() as session:
        session.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 1")
    context = context_of(server18.url(name))
    write_migration(context, "1_init", "SELECT 1;")
    result = check(limited(context, ignore=("drift", "migrations", "pooler")))
    assert next(one for one in result.checks if one.name == "connection").status == "ok"
    assert len([one for one in result.checks if one.name in NAMES]) > 20


# --- backups, and the disk -----------------------------------------------------------------------------------------


class Later:
    """A clock that goes ahead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return datetime.now(UTC).timestamp() + self.seconds

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def test_the_last_test_restore_is_too_long_ago(server18: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(server18.url(server18.create()))
    assert found(context, "test_restores").status == "ok", "that there is no backup has a finding of its own"
    made = backup.create(context, verify="L2")
    assert found(context, "test_restores").status == "ok"
    late = replace(context, clock=Later(31 * DAY))
    one = found(late, "test_restores")
    assert (one.status, one.fix) == ("warn", f"locktender backup verify {made.id} --test-restore")
    assert found(limited(late, test_restore_age=40 * DAY), "test_restores").status == "ok"


def test_days_without_a_backup(server18: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(server18.url(server18.create()))
    others = {one.name for one in check(context).checks}
    assert "retention" not in others, "that there is no backup has a finding of its own"
    backup.create(replace(context, clock=Later(-4 * DAY)))
    backup.create(context)
    one = found(context, "retention")
    assert (one.status, one.value) == ("warn", 3)
    assert one.detail.startswith("2, back to ")
    assert found(limited(context, days_without_backup=4), "retention").status == "ok"
    for unwanted in (replace(context.environment.backups, keep_daily=6), Backups(max_age=2 * DAY)):
        assert (
            found(replace(context, environment=replace(context.environment, backups=unwanted)), "retention").value == 0
        )
    for days in (-3, -2):
        backup.create(replace(context, clock=Later(days * DAY)))
    assert (found(context, "retention").status, found(context, "retention").value) == ("ok", 1)


def test_holes_are_of_the_last_week_and_not_from_before_the_first() -> None:
    today = date(2026, 3, 10)
    week = [today - timedelta(days=back) for back in range(1, 8)]
    assert holes([today], today) == []
    assert holes([today - timedelta(days=40), today], today) == week[::-1]
    assert holes([*week, today - timedelta(days=30)], today) == []
    assert holes([week[4], week[1]], today) == [week[3], week[2], week[0]]


def test_when_the_disk_will_be_full(plain: Context) -> None:
    now = datetime.now(UTC).timestamp()
    free = plain.host.free_bytes(plain.environment.backup_dir)
    for pace, status in ((free / 3, "warn"), (free / 100, "ok"), (-free / 3, "ok")):
        samples = tuple((now - hours * HOUR, free + pace * hours / 24) for hours in range(48, 0, -1))
        store.save(plain, State(now, {}, {"disk": samples}))
        assert found(plain, "disk").status == status
    assert "full in 3 d" in found(limited_trend(plain, now, free / 3, free), "disk").detail


def limited_trend(context: Context, now: float, pace: float, free: float) -> Context:
    samples = tuple((now - hours * HOUR, free + pace * hours / 24) for hours in range(48, 0, -1))
    store.save(context, State(now, {}, {"disk": samples}))
    return context


def test_a_forecast_bears_clean_ups_and_needs_a_day() -> None:
    saw = [(hour * HOUR, 1000.0 - 10 * hour + (150 if hour >= 60 else 0)) for hour in range(73)]
    left = runs_out(saw, 73 * HOUR, 1000.0 - 730 + 150)
    assert left is not None
    assert left == pytest.approx(42 * HOUR, rel=0.1)
    assert runs_out(saw[:20], 20 * HOUR, 800.0) is None
    assert runs_out([(0.0, 5.0), (2 * DAY, 5.0)], 2 * DAY, 5.0) is None
    kept = sampled({"disk": ((0.0, 1.0), (9 * DAY, 2.0)), "gone": ((0.0, 1.0),)}, [("disk", 3.0)], 9 * DAY + HOUR)
    assert kept == {"disk": ((9 * DAY, 2.0), (9 * DAY + HOUR, 3.0))}
    assert sampled(kept, [("disk", 4.0)], 9 * DAY + HOUR + 60) == kept


# --- certificates --------------------------------------------------------------------------------------------------


def certificate(directory: Path, days: float) -> tuple[Path, Path]:
    """One for 127.0.0.1 that signed itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=400))
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = directory / f"{days}.crt", directory / f"{days}.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, unencrypted)
    )
    files[1].chmod(0o600)
    return files


class Quietly(BaseHTTPRequestHandler):
    def log_message(self, *words: object) -> None: ...


@contextmanager
def https(files: tuple[Path, Path]) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Quietly)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*files)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("days", "status"), [(-1, "fail"), (5, "fail"), (15, "warn"), (90, "ok")])
def test_the_certificate_of_the_application(plain: Context, tmp_path: Path, days: float, status: str) -> None:
    with https(certificate(tmp_path, days)) as port:
        app = App("/srv/app", ("web",), health_url=f"https://127.0.0.1:{port}/health")
        context = replace(plain, environment=replace(plain.environment, app=app), certificates=ShownCertificates())
        one = found(context, "certificates")
    assert (one.status, one.subject) == (status, "127.0.0.1 on this machine")


def test_the_certificate_of_the_database_server(
    tmp_path: Path, context_of: Callable[..., Context], server18: Server
) -> None:
    if not DEBIAN_BINARIES.exists():
        missing("PostgreSQL 15 from Debian")
    crt, key = certificate(tmp_path, 15)
    with ThrowawayServer(binaries=DEBIAN_BINARIES, settings=FAST) as server:
        for file in (crt, key):
            copy = server.directory / "data" / f"server{file.suffix}"
            copy.write_bytes(file.read_bytes())
            copy.chmod(0o600)
            owner = (server.directory / "data").stat()
            os.chown(copy, owner.st_uid, owner.st_gid)
        database = PostgresDatabase(parse_database_url(server.url()))
        with closing(database.connect()) as session:
            session.execute("ALTER SYSTEM SET ssl = on")
            session.rows("SELECT pg_reload_conf()")
        context: Context = replace(
            context_of(server.url()),
            certificates=ShownCertificates(),
        )
        one = found_eventually(context, "certificates")
    assert (one.status, one.subject) == ("warn", "database server")
    assert "-starttls postgres" in one.fix
    silent: Context = replace(context_of(server18.url("postgres")), certificates=ShownCertificates())
    assert [each for each in check(silent).checks if each.name == "certificates"] == [], "it speaks no TLS"


def found_eventually(context: Context, name: str) -> Check:
    until = time.monotonic() + 60
    while True:
        others = tuple(other for other in NAMES if other != name)
        all_found = [one for one in check(limited(context, ignore=others)).checks if one.name == name]
        if all_found:
            return all_found[0]
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_certificate_that_has_run_out_says_since_when(plain: Context) -> None:
    assert judged(plain, "h:443", "h", -3 * DAY).detail == "h: ran out 3 d ago"


# --- drift ---------------------------------------------------------------------------------------------------------


BASE = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE counter;
CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x', age int, mood mood);
CREATE TABLE child (id serial PRIMARY KEY, parent int CONSTRAINT child_parent_fkey REFERENCES parent, n int UNIQUE);
CREATE INDEX parent_age ON parent (age);
CREATE VIEW adults AS SELECT id, name FROM parent WHERE age >= 18;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM parent;
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i * 2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE child ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON child USING (n > 0);
CREATE TABLE parted (id int, k int) PARTITION BY LIST (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE SCHEMA side;
CREATE STATISTICS stats ON age, name FROM parent;
"""
CHANGES = (
    "ALTER TABLE parent ADD COLUMN extra int",
    "ALTER TABLE parent DROP COLUMN age CASCADE",
    "ALTER TABLE child ALTER COLUMN parent TYPE bigint",
    "ALTER TABLE parent ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE parent ALTER COLUMN age SET NOT NULL",
    "ALTER TABLE parent ALTER COLUMN name SET DEFAULT 'y'",
    "ALTER TABLE parent ALTER COLUMN name DROP DEFAULT",
    "ALTER TABLE parent RENAME COLUMN age TO years",
    "ALTER TABLE parent RENAME TO parents",
    "ALTER TABLE parent ADD CONSTRAINT old CHECK (age < 200)",
    "ALTER TABLE child DROP CONSTRAINT child_parent_fkey",
    "ALTER TABLE child ALTER CONSTRAINT child_parent_fkey DEFERRABLE",
    "ALTER TABLE child DROP CONSTRAINT child_n_key",
    "CREATE TABLE fresh (id int PRIMARY KEY)",
    "DROP TABLE child",
    "CREATE INDEX another ON parent (name)",
    "DROP INDEX parent_age",
    "DROP INDEX parent_age; CREATE INDEX parent_age ON parent (age DESC)",
    "ALTER INDEX parent_age RENAME TO parent_years",
    "CREATE OR REPLACE VIEW adults AS SELECT id, name FROM parent WHERE age >= 21",
    "DROP VIEW adults",
    "DROP MATERIALIZED VIEW counted",
    "CREATE OR REPLACE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + i'",
    "ALTER FUNCTION twice(int) STABLE",
    "DROP TRIGGER touched ON parent",
    "ALTER TABLE parent DISABLE TRIGGER touched",
    "ALTER TYPE mood ADD VALUE 'happy'",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    "CREATE TYPE pair AS (a int, b int)",
    "ALTER DOMAIN positive SET NOT NULL",
    "ALTER DOMAIN positive ADD CHECK (VALUE < 100)",
    "ALTER SEQUENCE counter INCREMENT 2",
    "DROP SEQUENCE counter",
    "ALTER TABLE child DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE child FORCE ROW LEVEL SECURITY",
    "ALTER POLICY own ON child USING (n > 1)",
    "GRANT SELECT ON parent TO PUBLIC",
    "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)",
    "ALTER TABLE parted DETACH PARTITION parted_1",
    "DROP SCHEMA side",
    "CREATE RULE nothing AS ON DELETE TO parent DO INSTEAD NOTHING",
    "COMMENT ON TABLE parent IS 'changed by hand'",
    "ALTER TABLE child SET UNLOGGED",
    "ALTER TABLE child SET (fillfactor = 70)",
    "DROP STATISTICS stats",
    "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int)",
    "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    'CREATE COLLATION shouted FROM "C"',
)


class Undone(Exception):
    pass


@pytest.mark.each_version
@pytest.mark.parametrize(
    "changes", [CHANGES[::4], pytest.param(CHANGES, marks=pytest.mark.campaign)], ids=["some", "all"]
)
def test_every_kind_of_change_outside_of_migrations_is_found(plain: Context, changes: tuple[str, ...]) -> None:
    write_migration(plain, "1_init", BASE)
    assert found(plain, "drift").detail == "no schema is recorded yet: the next deploy does it"
    run = apply(plain).run_id
    assert found(plain, "drift").detail == f"none since run {run}", "no false alarm after a deploy"
    missed = []
    with plain.database.session() as session:
        for change in changes:
            try:
                with session.transaction():
                    for statement in change.split("; "):
                        session.execute(statement)
                    told = drift(plain, session)
                    if not told.ddl:
                        missed.append(change)
                    assert told.ddl == compared_whole(plain, session), change
                    raise Undone
            except StatementFailed as error:
                pytest.fail(f"{change}: {error.message}")
            except Undone:
                continue
    assert missed == []
    assert len(CHANGES) >= 25
    assert found(plain, "drift").status == "ok", "all was undone"


def compared_whole(context: Context, session: PostgresSession) -> tuple[Restated, ...]:
    """The same by both catalogs, each read whole."""
    record, history = schema_record.recorded(context), frozenset({("public", "_prisma_migrations")})
    assert record
    now = catalog.read(session, history)
    return restated(record.catalog, now, catalog.diff(record.catalog, now))


def test_drift_is_told_as_what_differs_and_how_it_is_settled(plain: Context) -> None:
    write_migration(plain, "1_init", BASE)
    apply(plain)
    run_sql(plain, "CREATE INDEX by_hand ON parent (name); ALTER TABLE parent ALTER COLUMN age SET NOT NULL")
    one = found(plain, "drift")
    assert one.status == "warn"
    assert "added index public.by_hand" in one.detail
    assert "resolve NAME --applied" in one.fix
    shown = [line for each in one.ddl for line in each.lines()]
    assert shown == [
        "- ALTER TABLE public.parent ALTER COLUMN age DROP NOT NULL;",
        "+ ALTER TABLE public.parent ALTER COLUMN age SET NOT NULL;",
        "+ CREATE INDEX by_hand ON public.parent USING btree (name);",
    ]
    write_migration(plain, "2_next", "SELECT 2;")
    (note,) = [note for note in apply(plain).notes if "outside of migrations" in note]
    assert note.startswith("The schema had been changed outside of migrations since run "), "before it counts as wanted"
    assert "added index public.by_hand" in note
    assert found(plain, "drift").status == "ok"
    run_sql(plain, "DROP INDEX by_hand; CREATE INDEX by_hand ON parent (name, id)")
    assert "changed index public.by_hand" in found(plain, "drift").detail
    write_migration(plain, "3_by_hand", "CREATE INDEX by_hand ON parent (name);")
    resolve(plain, "3_by_hand", applied=True)
    assert found(plain, "drift").status == "ok"
    run_sql(plain, "UPDATE _prisma_migrations SET migration_name = '4_prisma' WHERE migration_name = '3_by_hand'")
    assert "something else has migrated" in found(plain, "drift").detail
    plain.host.write(f"{state_directory(plain.environment)}/schema.json.gz", b"torn")
    assert (found(plain, "drift").status, found(plain, "drift").fix) == ("fail", "The next deploy records it anew.")


class Hurried:
    """A clock that goes ahead by a minute whenever it is asked."""

    def __init__(self) -> None:
        self.seconds = datetime.now(UTC).timestamp()

    def now(self) -> float:
        self.seconds += 60.0
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def test_where_there_is_no_time_for_all_of_it_drift_tells_what_it_could_compare(plain: Context) -> None:
    write_migration(plain, "1_init", BASE)
    run = apply(plain).run_id
    hurried = replace(plain, clock=Hurried())
    run_sql(plain, "CREATE INDEX by_hand ON parent (name)")
    one = found(hurried, "drift")
    assert (one.status, one.ddl) == ("warn", ())
    assert one.detail == f"none since run {run} (no time to compare columns' definitions, indexes, constraints)"
    run_sql(plain, "ALTER TABLE parent ADD COLUMN more int; CREATE TABLE fresh (id int PRIMARY KEY); DROP VIEW adults")
    one = found(hurried, "drift")
    assert {(each.change, each.object) for each in one.ddl} == {
        ("removed", "view public.adults"),
        ("added", "table public.fresh"),
        ("changed", "columns of public.parent"),
    }, "what was not read is not gone"
    (fresh,) = (each for each in one.ddl if each.object == "table public.fresh")
    assert fresh.stands[0] == "-- TABLE public.fresh: its columns and constraints were not read"
    assert not any(statement.startswith("CREATE") for statement in fresh.stands)
    assert "(no time to compare columns' definitions, indexes, constraints)" in one.detail
    assert "index public.by_hand" in {each.object for each in found(plain, "drift").ddl}


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_query_that_takes_too_long_costs_what_it_would_have_told_and_no_more(
    server18: Server, context_of: Callable[..., Context], monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    plain = context_of(server18.url(server18.create()))
    write_migration(plain, "1_init", BASE)
    apply(plain)
    run_sql(plain, "ALTER TABLE parent ADD COLUMN more int; CREATE INDEX by_hand ON parent (more)")
    known, slow = reading.queries, [*reading.LAST][left - 1]
    cancelled = "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(600)"  # as a timeout does it

    def slowed(major: int) -> tuple[tuple[str, str], ...]:
        return tuple((name, cancelled if name == slow else text) for name, text in known(major))

    monkeypatch.setattr(reading, "queries", slowed)
    monkeypatch.setattr(schema_record, "WHOLE_LOOK", 1000.0)
    one = found(plain, "drift")
    assert ("added column public.parent.more" in one.detail) == (left > 1)
    assert ("added index public.by_hand" in one.detail) == (left > 2)
    assert "removed" not in one.detail
    assert "no time to compare" in one.detail


def test_each_of_the_slow_queries_has_kinds_of_its_own(plain: Context) -> None:
    run_sql(plain, BASE + "CREATE TYPE pair AS (a int, b int)")
    kinds: dict[str, set[str]] = {}
    with plain.database.session() as session:
        for name, text in reading.queries(session.server_version // 10000):
            kinds[name] = {identity(row[2]).kind for row in session.rows(text)}
    assert {name: kinds[name] for name in reading.LAST} == reading.LAST
    others = set().union(*(found for name, found in kinds.items() if name not in reading.LAST))
    assert not others & set().union(*reading.LAST.values())


@pytest.mark.campaign
def test_no_drift_after_restores_and_rollbacks(server18: Server, context_of: Callable[..., Context]) -> None:
    plain = context_of(server18.url(server18.create()))
    write_migration(plain, "1_init", BASE)
    apply(plain)
    made = backup.create(plain)
    write_migration(plain, "2_more", "CREATE TABLE more (id int PRIMARY KEY);")
    apply(plain)
    rollback(plain)
    assert found(plain, "drift").status == "ok"
    run_sql(plain, "CREATE TABLE by_hand (id int PRIMARY KEY)")
    assert found(plain, "drift").status == "warn"
    restore(plain, made.id, emergency=False)
    assert found(plain, "drift").status == "ok"
    undo(plain)
    assert found(plain, "drift").status == "ok", "what was put back is what is wanted"


def test_a_record_is_read_whole_or_piece_by_piece_and_so_are_those_of_older_versions() -> None:
    known = Catalog({'table s."a\u2028\n"': '{"x": "é"}', "schema s": "{}"}, ("a mapping",))
    record = SchemaRecord("r", "2026-01-01", 18, ("1_init",), known, "77")
    assert SchemaRecord.from_bytes(record.to_bytes()) == record
    assert SchemaRecord.without_objects(record.to_bytes()) == replace(record, catalog=Catalog({}, ("a mapping",)))
    assert list(objects(record.to_bytes())) == sorted(known.objects.items())
    told = {"run": "r", "at": "2026-01-01", "major": 18, "applied": ["1_init"]}
    first = json.dumps({**told, "version": 1, "catalog": known.to_json()})
    second = f"{json.dumps({**told, 'version': 2, 'stamp': '77'})}\n{json.dumps(known.to_json())}"
    for older, stamp in ((first, ""), (second, "77")):
        data = gzip.compress(older.encode())
        assert SchemaRecord.from_bytes(data) == replace(record, catalog=Catalog(known.objects), stamp=stamp)
        assert SchemaRecord.without_objects(data).stamp == stamp, "without one it is compared whole"
        assert dict(objects(data)) == known.objects


def test_a_damaged_record_stops_no_deploy_and_is_made_anew_by_it(
    server18: Server, context_of: Callable[..., Context]
) -> None:
    plain = context_of(server18.url(server18.create()))
    write_migration(plain, "1_init", BASE)
    apply(plain)
    path = f"{state_directory(plain.environment)}/schema.json.gz"
    good = plain.host.read(path)
    refused = []
    for at in range(10, len(good) - 8):
        damaged = good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :]
        with suppress(Tampered):
            SchemaRecord.from_bytes(damaged)
            continue
        refused.append(damaged)
    assert len(refused) > len(good) / 2
    plain.host.write(path, refused[len(refused) // 2])
    assert found(plain, "drift").status == "fail"
    write_migration(plain, "2_more", "CREATE TABLE more (id int PRIMARY KEY);")
    assert apply(plain).outcome == "deployed"
    assert found(plain, "drift").status == "ok"


# --- the application, and other machines ---------------------------------------------------------------------------


DOCKER = """#!/bin/sh
# Docker, as far as the health check asks it: which containers there are, and how they are.
case "$*" in
  *" ps "*) echo web-1 ;;
  *inspect*) cat "{told}" ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def docker(plain: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Context]:
    """An application of one container whose state is said; what answers as Docker is a script."""
    program, told = tmp_path / "bin" / "docker", tmp_path / "inspected.json"
    program.parent.mkdir()
    program.write_text(DOCKER.format(told=told))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    app = App(str(tmp_path), ("web",), health_url=None)
    context = replace(plain, environment=replace(plain.environment, app=app))

    def said(status: str = "running", count: int = 0, **state: Any) -> Context:
        labels = {"com.docker.compose.service": "web", "com.docker.compose.oneoff": "False"}
        one = {"Id": "web-1", "Image": "sha256:1", "RestartCount": count, "Config": {"Image": "app", "Labels": labels}}
        told.write_text(json.dumps([{**one, "State": {"Status": status, "ExitCode": 3, **state}}]))
        return context

    return said


def test_containers_that_are_down_or_unwell(docker: Callable[..., Context]) -> None:
    assert found(docker(), "containers").detail == "1 up on this machine"
    ended = found(docker("exited"), "containers")
    assert (ended.status, ended.detail) == ("fail", "on this machine: web ended with exit code 3")
    assert "logs --tail 50" in ended.fix
    unwell = found(docker(Health={"Status": "unhealthy"}), "containers")
    assert (unwell.status, "its own health check" in unwell.detail) == ("fail", True)
    assert found(docker(Health={"Status": "healthy"}), "containers").status == "ok"


def test_docker_that_does_not_answer_a_look_in_time_is_a_warning(
    docker: Callable[..., Context], tmp_path: Path
) -> None:
    context = docker()
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nexec sleep 100\n")
    asking = ("containers", "restarts", "server_disk")
    told = check(limited(context, ignore=tuple(name for name in NAMES if name not in asking))).checks
    slow = [one for one in told if one.detail == "Docker on this machine did not answer within 5 s"]
    assert [(one.name, one.status) for one in slow] == [
        (name, "warn") for name in ("server_disk", "containers", "restarts")
    ]
    assert all(one.why and "time docker ps" in one.fix for one in slow)
    assert [one.status for one in told if one.subject == "/"] == ["ok"], "the disks are looked at all the same"


def test_containers_that_keep_being_restarted(docker: Callable[..., Context]) -> None:
    assert found(docker(count=2), "restarts").status == "ok"
    one = found(docker(count=3), "restarts")
    assert (one.status, one.detail) == ("warn", "3 on this machine since they were made")
    now = datetime.now(UTC).timestamp()
    trends = {"restarts this machine": ((now - 2 * DAY, 1.0), (now - 3 * HOUR, 3.0))}
    store.save(docker(), State(now, {}, trends))
    assert found(docker(count=3), "restarts").detail == "0 on this machine within a day"
    assert found(docker(count=6), "restarts").status == "warn"
    assert found(limited(docker(count=6), restarts=4), "restarts").status == "ok"


def test_an_application_that_does_not_answer(plain: Context) -> None:
    with hook(lambda n: 503 if n == 1 else 200) as one:
        app = App("/srv/app", ("web",), health_url=one.url + "/health")
        context = replace(plain, environment=replace(plain.environment, app=app), http=HttpClient())
        first, second = found(context, "app"), found(context, "app")
    assert (first.status, second.status) == ("fail", "ok")
    assert "does not answer with 2xx" in first.detail
    assert found(context, "app").status == "fail", "nobody is there any more"


def test_clocks_that_differ(plain: Context) -> None:
    """The machine's is this one's; ours is what is told."""
    key = Secret("x")
    server = Machine("db.example", "deploy", key, key)
    context = replace(plain, environment=replace(plain.environment, server=server))
    assert found(context, "clock").detail == "that of db.example agrees with ours"
    for seconds, told in ((90, "behind"), (-90, "ahead of")):
        one = found(replace(context, clock=Later(seconds)), "clock")
        assert one.status == "warn"
        assert re.search(rf"the clock of db.example is (8|9)\d s {told} ours", one.detail)
    assert found(limited(replace(context, clock=Later(90)), clock=300.0), "clock").status == "ok"


def test_a_connection_that_everybody_on_the_way_can_read(server18: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(server18.url(server18.create()))
    assert found(context, "connection").status == "ok", "it never leaves this machine"
    url = Secret(context.environment.database_url.reveal().replace("127.0.0.1", "db.example") + "?hostaddr=127.0.0.1")
    away = replace(context, database=PostgresDatabase(parse_database_url(url)))
    one = found(away, "connection")
    assert (one.status, "not encrypted" in one.detail, "sslmode" in one.fix) == ("warn", True, True)


def test_a_server_that_gets_no_fixes_any_more(plain: Context) -> None:
    @dataclass(frozen=True)
    class Old:
        server_version: int

    probes = [Probe(plain, Old(version)) for version in (130022, 140000)]  # type: ignore[arg-type]
    (old,), (new,) = (tuple(server_version.look(probe)) for probe in probes)
    assert (old.status, new.status) == ("fail", "ok")
    assert "get no fixes" in old.why
