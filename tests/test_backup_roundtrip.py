"""Backup, restore, compare, over everything that backups are known to lose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import FAST, ThrowawayServer
from operations.backup import create, list_backups, load_intact, show, take_backup, verify
from operations.backup_archive import archive_into
from operations.backup_restorable import restored_differences, scratch_database
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import BackupFailed, PrivilegeMissing
from operations.layout import scratch_prefix
from operations.quoting import identifier

from .conftest import DEBIAN_BINARIES, Server, missing
from .regression import regression_database

pytestmark = pytest.mark.each_version

ContextOf = Callable[..., Context]
MORE = """
CREATE TABLE public."r" ("r" int, "R" "char", "a""b" name, t tid, o oid[], c cidr);
INSERT INTO public."r" VALUES (1, 'x', 'n', '(1,2)', '{1,2}', '10.0.0.0/8'), (NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.wide (id int);
"""
XML = """
CREATE TABLE public.docs (x xml); INSERT INTO public.docs VALUES ('<a b="c">ü</a>'), ('plain text'), (NULL);
"""
VIRTUAL = """
CREATE TABLE public.virtual (a int, b int GENERATED ALWAYS AS (1 / a) VIRTUAL); INSERT INTO public.virtual VALUES (0);
"""
UNRESTORABLE = """
CREATE TABLE limits (highest int); INSERT INTO limits VALUES (100);
CREATE FUNCTION allowed(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 <= (SELECT highest FROM limits)';
CREATE TABLE reading (value int CHECK (allowed(value)));
INSERT INTO reading VALUES (1), (2), (3);
"""


def scratch_databases(context: Context) -> list[str]:
    prefix = scratch_prefix(context.environment, context.database.target.database)
    with context.database.session("postgres") as session:
        rows = session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,))
    return [name for (name,) in rows]


def test_everything_comes_back_the_same(server: Server, context_of: ContextOf) -> None:
    context = context_of(server.process.url(regression_database(server)))
    with context.database.session() as session:
        session.script(MORE + (XML if server.major == 15 else VIRTUAL))
        columns = ", ".join(f"ADD c{i} {('int', 'text', 'numeric')[i % 3]} DEFAULT {i}" for i in range(400))
        session.execute(f"ALTER TABLE public.wide {columns}")
        session.execute("INSERT INTO public.wide VALUES (1), (NULL)")
    result = take_backup(context, "round trip", None, "L2")
    assert (result.level, result.verified, result.warnings) == ("L2", True, ())
    manifest = show(context, result.id)
    assert manifest.level == "L2"
    assert manifest.tables["data.no_columns"].rows == 3
    assert manifest.tables["data.measure_2024"].rows == 16
    assert manifest.tables["public.wide"].rows == 2
    assert "data.far" not in manifest.tables
    assert manifest.large_objects.rows == 1
    assert all(table.hash is not None for table in manifest.tables.values())
    assert all(manifest.sequences.values())
    assert scratch_databases(context) == []


def test_a_plain_owner_can_do_it_all(context: Context, server: Server) -> None:
    """With an extension that a superuser made, roles in between, its own schema public, and none at all."""
    with server.superuser(context.database.target.database).session() as session:
        session.script(
            "CREATE EXTENSION citext; COMMENT ON EXTENSION citext IS 'ours'; DROP ROLE IF EXISTS team;"
            "CREATE ROLE team; GRANT team TO app_owner"
        )
    with context.database.session() as session:
        session.script(
            "CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO team;"
            "CREATE TABLE own.t (id serial PRIMARY KEY, c citext); INSERT INTO own.t (c) VALUES ('A');"
            "CREATE MATERIALIZED VIEW own.stale AS SELECT count(*) FROM own.t; INSERT INTO own.t (c) VALUES ('B');"
            "ALTER TABLE own.t OWNER TO team; GRANT SELECT ON own.t TO PUBLIC; SELECT lo_from_bytea(0, 'x');"
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO team"
        )
    assert create(context, verify="L2").verified
    with context.database.session() as session:
        session.script("CREATE SCHEMA elsewhere; DROP SCHEMA IF EXISTS public CASCADE")
    with server.superuser(context.database.target.database).session() as session:
        session.script("CREATE EXTENSION IF NOT EXISTS citext SCHEMA elsewhere")
    assert create(context, verify="L2").verified
    assert "public" not in load_intact(context, "latest").schemas
    with context.database.session() as session:
        session.script("CREATE SCHEMA public; CREATE TABLE public.t ()")
    assert create(context, verify="L2").verified


def test_what_cannot_be_restored_is_found_and_named(context: Context) -> None:
    """The dump is valid, and pg_restore gives a table without rows: its CHECK finds no table by the empty path."""
    with context.database.session() as session:
        session.script(UNRESTORABLE)
    with pytest.raises(BackupFailed, match=r"table public\.reading: .*relation \"limits\" does not exist") as caught:
        create(context, verify="L2")
    (kept,) = list_backups(context)
    assert caught.value.details["backup_id"] == kept.id
    assert (kept.level, kept.verified) == ("L0", False)
    found = verify(context, kept.id, test_restore=True)
    assert (found.intact, found.level, found.verified) == (True, "L1", False)
    assert "table public.reading" in found.problems[0]
    assert scratch_databases(context) == []
    with context.database.session() as session:
        session.script("ALTER FUNCTION allowed SET search_path = public")
    assert create(context, verify="L2").verified


def test_every_difference_is_named(context: Context) -> None:
    with context.database.session() as session:
        session.script(
            "CREATE TABLE a (id serial PRIMARY KEY, v text); INSERT INTO a (v) VALUES ('x'), ('y');"
            "CREATE TABLE b (i int); INSERT INTO b VALUES (1), (2); CREATE TABLE gone ();"
            "CREATE VIEW v AS SELECT 1 AS one; SELECT lo_create(5)"
        )
    manifest = load_intact(context, create(context).id)
    with scratch_database(context, manifest.properties, 0) as name:
        archive_into(context, manifest, name)
        assert restored_differences(context, manifest, name) == ()
        with context.database.session(name) as session:
            session.script(
                "UPDATE a SET v = 'z' WHERE id = 1; DELETE FROM b WHERE i = 1; DROP TABLE gone;"
                "SELECT setval('a_id_seq', 9); CREATE OR REPLACE VIEW v AS SELECT 2 AS one;"
                "CREATE INDEX extra ON a (v); SELECT lo_put(5, 0, 'changed')"
            )
        found = restored_differences(context, manifest, name)
    assert found[:5] == (
        "public.a: 2 rows, but not the same after the restore (their hashes differ)",
        "public.b: 2 rows in the backup, 1 after the restore",
        "public.gone: the table is missing after the restore",
        "large objects: 1 rows, but not the same after the restore (their hashes differ)",
        "sequence public.a_id_seq: 2 in the backup, 9 after the restore",
    )
    told = "\n".join(found[5:])
    for changed in ("added index public.extra", "changed view public.v", "removed table public.gone"):
        assert changed in told


def test_hashes_are_left_out_above_a_size(context: Context) -> None:
    with context.database.session() as session:
        session.script("CREATE TABLE a (i int); INSERT INTO a VALUES (1)")
    backups = replace(context.environment.backups, hash_limit=1000)
    result = create(replace(context, environment=replace(context.environment, backups=backups)), verify="L2")
    assert (result.verified, load_intact(context, result.id).tables["public.a"].hash) == (True, None)


@pytest.mark.parametrize(
    "name", ["with space 'quote\" = %s", "postgresql://x?y=1", "-d evil", "ü" * 31 + "x", "a\\b=c"], ids=range(5)
)
def test_names_that_break_careless_quoting(server15: Server, context_of: ContextOf, name: str) -> None:
    context = context_of(server15.url(server15.create(name)))
    try:
        with context.database.session() as session:
            session.script(
                f"CREATE TABLE {identifier('t' * 63)} (i int); INSERT INTO {identifier('t' * 63)} VALUES (1)"
            )
            session.script(f"CREATE TABLE {identifier(name)} (i int)")
        assert create(context, verify="L2").verified
        assert load_intact(context, "latest").database == name
    finally:
        with server15.superuser().session() as session:
            session.execute(f"DROP DATABASE {identifier(name)}")


@dataclass
class Standby(ThrowawayServer):
    """A hot standby of another throwaway server."""

    primary: ThrowawayServer | None = None

    def _initialise(self) -> None:
        assert self.primary
        if self._account:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
        source = f"host=127.0.0.1 port={self.primary.port} user=postgres password={self.primary.password.reveal()}"
        self._run("pg_basebackup", "-D", self._data, "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")


@pytest.fixture
def standby(server15: Server) -> Iterator[Standby]:
    if not (DEBIAN_BINARIES / "pg_basebackup").exists():
        missing("pg_basebackup")
    with Standby(
        binaries=DEBIAN_BINARIES,
        settings={**server15.process.settings, "fsync": FAST["fsync"]},
        password=server15.process.password,
        primary=server15.process,
    ) as process:
        yield process


def test_a_standby_can_be_backed_up_but_not_restored_on(
    server15: Server, standby: Standby, context_of: ContextOf, tmp_path: Path
) -> None:
    name = server15.create()
    with server15.superuser(name).session() as session:
        session.script(
            "CREATE UNLOGGED TABLE volatile AS SELECT 1; CREATE TABLE t AS SELECT generate_series(1, 100) i;"
            "ALTER TABLE t OWNER TO app_owner; ALTER TABLE volatile OWNER TO app_owner"
        )
        ((written,),) = session.rows("SELECT pg_current_wal_insert_lsn()::text")  # commits are not waited for here
    with PostgresDatabase(parse_database_url(standby.url())).session() as session:
        while session.rows("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)) != [(True,)]:
            pass
    port = server15.process.port
    url = type(server15.url(name))(server15.url(name).reveal().replace(f":{port}/", f":{standby.port}/"))
    context = context_of(url)
    with pytest.raises(PrivilegeMissing, match="the server is a standby"):
        take_backup(context, "t", None, "L2")
    made = take_backup(context, "t", None, "L1")
    tables = load_intact(context, made.id).tables
    assert {table: rows.rows for table, rows in tables.items()} == {"public.t": 100}
