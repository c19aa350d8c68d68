"""Prisma's folder and table, byte for byte."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import HistoryConflict, LocktenderError, MigrationFilesError, PrivilegeMissing
from operations.migrations.formats import FORMATS, detect
from operations.migrations.model import HistoryRow, Migration
from operations.migrations.prisma import Prisma, first_of_path
from operations.quoting import identifier
from operations.secret import Secret

from .conftest import Server

HISTORIES = Path(__file__).parent / "histories"
PRISMAS_OWN = """CREATE TABLE _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL,  checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ,              migration_name VARCHAR(255) NOT NULL,
  logs TEXT,                            rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0)"""
COLUMNS = """
    SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
           c.relname, i.relname, i.indisprimary
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN LATERAL (SELECT ic.relname, x.indisprimary FROM pg_index x JOIN pg_class ic ON ic.oid = x.indexrelid
                       WHERE x.indrelid = c.oid) i ON true
    WHERE c.oid = %s::regclass ORDER BY 1"""


def write(folder: Path, name: str, data: bytes, file: str = "migration.sql") -> Path:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / file).write_bytes(data)
    return folder


def migration(name: str, script: str = "SELECT 1;") -> Migration:
    checksum = hashlib.sha256(script.encode()).hexdigest()
    return Migration(name, f"{name}/migration.sql", script, checksum, frozenset({checksum}))


def read(host: LocalHost, folder: Path) -> tuple[Migration, ...]:
    return detect(host, str(folder)).read(host, str(folder))


def test_a_folder_is_its_directories_in_byte_order(host: LocalHost) -> None:
    names = [m.name for m in read(host, HISTORIES / "odd_names")]
    assert names == [
        "01_init",
        "20240101000000_",
        "20240230000000_no_such_day",
        "20240301000000_a",
        "20240301000000_b",
        "Z",
        "a",
        "two words",
        "ä",
    ]


def test_odd_names_are_told_and_not_refused(host: LocalHost) -> None:
    warnings = Prisma().warnings(host, str(HISTORIES / "odd_names"))
    unusual, twice, loose = warnings
    assert "01_init, 20240230000000_no_such_day, Z, a, 'two words' and 1 more" in unusual
    assert "20240301000000_a, 20240301000000_b" in twice
    assert "loose.sql" in loose
    assert Prisma().warnings(host, str(HISTORIES / "downs")) == ()


def test_scripts_and_their_downs(host: LocalHost) -> None:
    first, second, third = read(host, HISTORIES / "downs")
    assert (first.script, first.down) == ('CREATE TABLE "User" (id int PRIMARY KEY);\n', None)
    assert second.down == 'ALTER TABLE "User" DROP COLUMN email;\n'
    assert (third.name, third.script, third.checksum) == ("20240103000000_no_script", None, None)


@pytest.mark.parametrize(
    ("data", "accepted"),
    [
        (b"a\nb\n", [b"a\nb\n", b"a\r\nb\r\n"]),
        (b"a\r\nb\r\n", [b"a\nb\n", b"a\r\nb\r\n"]),
        (b"a\r\nb\n", [b"a\r\nb\n", b"a\nb\n", b"a\r\nb\r\n"]),
        (b"", [b""]),
        (b"\xef\xbb\xbfa\n", [b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfa\r\n"]),
        (b"a\rb", [b"a\rb"]),
    ],
)
def test_checksums_are_of_the_bytes_and_forgive_line_endings(
    host: LocalHost, tmp_path: Path, data: bytes, accepted: list[bytes]
) -> None:
    (found,) = read(host, write(tmp_path, "1", data))
    assert found.checksum == hashlib.sha256(data).hexdigest()
    assert found.accepted_checksums == {hashlib.sha256(text).hexdigest() for text in accepted}
    assert found.script is not None
    assert found.script.encode() == data


def test_all_unreadable_files_are_named_at_once(host: LocalHost, tmp_path: Path) -> None:
    write(tmp_path, "1_latin", "SELECT 'ü';".encode("latin-1"))
    write(tmp_path, "2_utf16", "SELECT 1;".encode("utf-16"))
    write(tmp_path, "3_down", b"SELECT 1;")
    write(tmp_path, "3_down", b"\xff", "down.sql")
    (tmp_path / "4_directory" / "migration.sql").mkdir(parents=True)
    write(tmp_path, "5_fine", b"SELECT 1;")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/7_\xff"))).mkdir()
    (tmp_path / "6_nowhere").mkdir()
    (tmp_path / "6_nowhere" / "migration.sql").symlink_to("gone")
    with pytest.raises(MigrationFilesError) as caught:
        read(host, tmp_path)
    lines = caught.value.message.splitlines()
    assert len(lines) == 6
    for line, words in zip(
        lines,
        ("byte 8 (0xfc)", "looks like UTF-16", "3_down/down.sql", "is a directory", "6_nowhere", "b'7_\\xff' in"),
        strict=True,
    ):
        assert words in line
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("history", "code", "words"),
    [
        ("mysql", "P3019", "'mysql'"),
        ("prisma8", None, "Prisma 8"),
        ("prisma8_early", None, "Prisma 8"),
        ("nobody", None, "does not look like"),
        ("missing", None, "no migrations folder"),
    ],
)
def test_folders_that_are_refused(host: LocalHost, history: str, code: str | None, words: str) -> None:
    with pytest.raises(MigrationFilesError, match=words) as caught:
        read(host, HISTORIES / history)
    assert caught.value.prisma_code == code
    assert caught.value.hint


def test_a_lock_file_need_not_be_there_nor_name_a_provider(host: LocalHost, tmp_path: Path) -> None:
    assert len(read(host, write(tmp_path, "1", b""))) == 1
    (tmp_path / "migration_lock.toml").write_bytes(b'\xef\xbb\xbf# provider = "mysql"\n')
    assert len(read(host, tmp_path)) == 1
    (tmp_path / "migration_lock.toml").write_text("provider = 'sqlite'")
    with pytest.raises(MigrationFilesError):
        read(host, tmp_path)


def test_an_empty_folder_is_a_history_without_migrations(host: LocalHost, tmp_path: Path) -> None:
    assert read(host, tmp_path) == ()


def test_a_folder_that_is_a_file_is_refused(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MigrationFilesError, match="cannot be read"):
        read(host, tmp_path / "file")


def test_the_table_is_prismas(database: PostgresDatabase) -> None:
    with database.session() as session:
        session.execute("CREATE SCHEMA theirs")
        session.script(f"SET search_path = theirs; {PRISMAS_OWN}; RESET search_path")
        Prisma().create_history(session)
        ours = session.rows(COLUMNS, ("public._prisma_migrations",))
        assert ours == session.rows(COLUMNS, ("theirs._prisma_migrations",))
        assert len(ours) == 8


def row_of(session: PostgresSession, name: str) -> HistoryRow:
    (row,) = [row for row in Prisma().history(session) or () if row.name == name]
    return row


def test_rows_read_as_prismas(database: PostgresDatabase) -> None:
    tool, ids = Prisma(), {name: str(uuid4()) for name in ("done", "failed", "half")}
    with database.session() as session:
        assert tool.history(session) is None
        tool.create_history(session)
        assert tool.history(session) == ()
        for name, row_id in ids.items():
            tool.record_started(session, row_id, migration(name))
        begun = row_of(session, "half")
        assert (begun.finished_at, begun.logs, begun.rolled_back_at, begun.applied_steps) == (None, None, None, 0)
        tool.record_finished(session, {}, ids["done"])
        session.execute("UPDATE _prisma_migrations SET logs = 'boom' WHERE id = %s", (ids["failed"],))
        tool.record_step(session, ids["half"], 3)
        tool.record_applied(session, migration("baseline"))

        done, failed, baseline = (row_of(session, name) for name in ("done", "failed", "baseline"))
        assert (done.applied_steps, done.logs, done.checksum) == (1, None, migration("").checksum)
        assert done.finished_at is not None
        assert done.finished_at >= done.started_at
        assert (failed.logs, failed.finished_at, failed.applied_steps) == ("boom", None, 0)
        assert row_of(session, "half").applied_steps == 3
        assert (baseline.finished_at, baseline.logs, baseline.applied_steps) == (baseline.started_at, "", 0)
        assert UUID(baseline.id).version == 4

        tool.mark_rolled_back(session, "failed")
        tool.mark_rolled_back(session, "done")
        assert row_of(session, "failed").rolled_back_at is not None
        assert row_of(session, "done").rolled_back_at is None
        tool.forget(session, [ids["done"], ids["half"]])
        assert {row.name for row in tool.history(session) or ()} == {"failed", "baseline"}


NAMES = [f"{number:03}" for number in range(60)]


@contextmanager
def in_order(database: PostgresDatabase) -> Iterator[tuple[Prisma, PostgresSession]]:
    """A transaction in which all but the first of ``NAMES`` are to be recorded; that one is of an hour later."""
    tool = Prisma()
    with database.session() as session, session.transaction():
        tool.create_history(session)
        session.execute(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at)"
            " VALUES ('x', 'x', '000', now() + interval '1 hour')"
        )
        yield tool, session
        rows = tool.history(session) or ()
        assert [row.name for row in rows] == NAMES
        assert len({row.started_at for row in rows}) == len(NAMES)


def test_rows_of_one_transaction_keep_their_order(database: PostgresDatabase) -> None:
    with in_order(database) as (tool, session):
        for name in NAMES[1:]:
            session.execute("SAVEPOINT one")
            tool.record_run(session, {}, str(uuid4()), migration(name))
            if int(name) % 4:
                session.execute("ROLLBACK TO SAVEPOINT one")
            if int(name) % 4 == 1:
                tool.record_applied(session, migration(name))
            elif int(name) % 4 > 1:
                tool.record_started(session, str(uuid4()), migration(name))


def test_they_keep_it_though_only_the_first_looks_at_all_others(database: PostgresDatabase) -> None:
    with in_order(database) as (tool, session):
        for name in NAMES[1:]:
            tool.record_run(session, {}, str(uuid4()), migration(name), next_in_transaction=name != NAMES[1])


def test_a_script_that_moves_the_search_path_does_not_move_the_table(database: PostgresDatabase) -> None:
    tool, row_id = Prisma(), str(uuid4())
    with database.session() as session:
        tool.create_history(session)
        session.script("CREATE SCHEMA elsewhere; SET search_path = elsewhere; CREATE SCHEMA app_owner")
        tool.record_started(session, row_id, migration("1"))
        tool.record_finished(session, {}, row_id)
        assert [row.name for row in tool.history(session) or ()] == ["1"]
    with database.session() as session:
        assert session.rows("SELECT current_schema()") == [("app_owner",)]
        assert [row.name for row in Prisma().history(session) or ()] == ["1"]


@pytest.mark.parametrize("schema", ["app", 'we"ird %s {x} ü', "Public"])
def test_schema_of_the_url_is_used_exactly_and_made_only_to_write(server: Server, schema: str) -> None:
    from urllib.parse import quote

    url = Secret(f"{server.url(server.create()).reveal()}?schema={quote(schema, safe='')}")
    tool = Prisma()
    with PostgresDatabase(parse_database_url(url)).session() as session:
        exists = "SELECT count(*)::int FROM pg_namespace WHERE nspname = %s"
        session.execute("CREATE TABLE public.foreign_one (); CREATE TABLE public._prisma_migrations ()")
        assert tool.history(session) is None
        assert tool.schema_is_empty(session)
        assert session.rows(exists, (schema,)) == [(0,)]
        tool.create_history(session)
        tool.record_applied(session, migration("1"))
        assert session.rows(f"SELECT migration_name FROM {identifier(schema)}._prisma_migrations") == [("1",)]
        assert [row.name for row in tool.history(session) or ()] == ["1"]


@pytest.mark.parametrize(
    ("made", "empty"),
    [
        ("", True),
        ("CREATE TABLE t ()", False),
        ("CREATE TABLE t (a int) PARTITION BY LIST (a)", False),
        ("CREATE TABLE Spatial_Ref_Sys ()", True),
        ("CREATE SCHEMA other; CREATE TABLE other.t ()", True),
        ("CREATE VIEW v AS SELECT 1; CREATE TYPE e AS ENUM ('a'); CREATE SEQUENCE s", True),
        ("CREATE TABLE t (); CREATE TABLE _prisma_migrations ()", False),
    ],
)
def test_a_schema_is_empty_without_tables(database: PostgresDatabase, made: str, empty: bool) -> None:
    with database.session() as session:
        session.script(made)
        assert Prisma().schema_is_empty(session) is empty


def test_tables_of_extensions_do_not_make_a_schema_full(server: Server) -> None:
    name = server.create()
    with server.superuser(name).session() as session:
        session.script("CREATE TABLE config (); ALTER EXTENSION plpgsql ADD TABLE config")
        assert Prisma().schema_is_empty(session)


def test_a_foreign_table_of_the_same_name(database: PostgresDatabase) -> None:
    with database.session() as session:
        session.execute("CREATE TABLE _prisma_migrations (version int)")
        with pytest.raises(HistoryConflict, match="not as Prisma makes it"):
            Prisma().history(session)


@pytest.fixture
def reader(server: Server) -> Callable[[str, str], PostgresDatabase]:
    """Connects to a database, made ready as its owner by a script, as a role that owns nothing."""

    def connect(prepared: str, query: str = "") -> PostgresDatabase:
        name, role = server.create(), f"reader_{uuid4().hex[:8]}"
        with server.superuser().session() as session:
            session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        with PostgresDatabase(parse_database_url(server.url(name))).session() as session:
            session.script(prepared.replace("ROLE", role))
        url = server.url(name, user=role, password=Secret("x")).reveal()
        return PostgresDatabase(parse_database_url(Secret(url + query)))

    return connect


def test_missing_rights_are_named(reader: Callable[..., PostgresDatabase]) -> None:
    tool = Prisma()
    with reader(PRISMAS_OWN).session() as session, pytest.raises(PrivilegeMissing, match="permission denied"):
        tool.history(session)
    readable = reader(f"{PRISMAS_OWN}; GRANT SELECT ON _prisma_migrations TO ROLE")
    with readable.session() as session:
        assert tool.history(session) == ()
        with pytest.raises(PrivilegeMissing, match="permission denied"):
            tool.record_applied(session, migration("1"))
    hidden = reader("CREATE SCHEMA hidden; REVOKE ALL ON SCHEMA hidden FROM PUBLIC", "?schema=hidden")
    with hidden.session() as session, pytest.raises(PrivilegeMissing, match="hidden"):
        tool.history(session)
    with reader("SELECT 1").session() as session:
        session.execute("SET default_transaction_read_only = on")
        with pytest.raises(PrivilegeMissing):
            tool.create_history(session)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ('"$user", public', "public"),
        ("", "public"),
        ('""', "public"),
        ('"a ""b"", c", d', 'a "b", c'),
        ("$user,x", "x"),
        ("  app  , public", "app"),
    ],
)
def test_first_of_path(path: str, schema: str) -> None:
    assert first_of_path(path) == schema


def test_every_format_has_its_own_lock_and_name() -> None:
    assert {tool.name for tool in FORMATS} == {"prisma"}
    assert [tool.lock_id for tool in FORMATS] == [72707369]


def test_postgresql_itself_refuses_what_we_refuse(context: Context) -> None:
    with context.database.session() as session:
        for text in ("\ufeffSELECT 1", "SELECT 1;\n\ufeff"):
            with pytest.raises(LocktenderError, match="syntax error"):
                session.script(text)
