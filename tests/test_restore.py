"""Restores on real servers: what comes back, what is kept, and what is refused before anything is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import backup, beside, catalog, journal
from operations.adapters.local_host import LocalHost
from operations.backups.manifest import TableRows, to_bytes
from operations.beside import drop
from operations.context import Context
from operations.errors import (
    DiskFull,
    HostUnreachable,
    LockHeld,
    LocktenderError,
    NotFound,
    PrivilegeMissing,
    Refused,
    RestoreFailed,
    Tampered,
    UsageError,
)
from operations.layout import MANIFEST, backup_path, scratch_prefix
from operations.migrations.formats import FORMATS
from operations.restore import kept_databases, prune_kept, restore, undo
from operations.restore_checks import only_for_superusers, refuse_unfit

from .conftest import OWNER_PASSWORD, Server
from .regression import ensure_reader, regression_database

ContextOf = Callable[..., Context]
SHOP = """
    CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL)
        WITH (autovacuum_enabled = off);
    INSERT INTO item (name) SELECT 'item ' || i FROM generate_series(1, 100) i;
    CREATE VIEW names AS SELECT name FROM item;
"""


@pytest.fixture
def shop(context: Context) -> Context:
    """A database with 100 items, backed up, and changed since."""
    name = context.database.target.database
    with context.database.session() as session:
        session.script(SHOP)
        session.script(f"ALTER DATABASE {name} SET work_mem = '7MB'; COMMENT ON DATABASE {name} IS 'the shop'")
    context.host.make_directory(context.environment.migrations)
    backup.create(context)
    with context.database.session() as session:
        session.script("DELETE FROM item WHERE id > 10; ALTER TABLE item ADD COLUMN price int")
        session.script(f"ALTER DATABASE {name} SET work_mem = '8MB'")
    return context


def items(context: Context, name: str | None = None) -> int:
    with context.database.session(name) as session:
        return int(session.rows("SELECT count(*) FROM item")[0][0])


def around(context: Context) -> tuple[set[str], set[str], int]:
    """All databases, all backups, and how many runs there were: what nobody may have touched."""
    with context.database.session() as session:
        databases = {name for (name,) in session.rows("SELECT datname FROM pg_database")}
    return databases, {info.id for info in backup.list_backups(context)}, len(journal.records(context))


def scratch(context: Context) -> list[str]:
    prefix = scratch_prefix(context.environment, context.database.target.database)
    return [name for name in around(context)[0] if name.startswith(prefix)]


@contextmanager
def untouched(context: Context) -> Iterator[None]:
    """Nothing has been made, dropped or changed by the block, and no run counts as unfinished."""
    before = around(context), items(context)
    yield
    databases, backups, runs = around(context)
    assert ((databases, backups), items(context)) == (before[0][:2], before[1])
    assert runs == before[0][2] or all(record.finished for record in journal.records(context))


@pytest.mark.each_version
def test_the_backup_becomes_live_and_what_was_live_is_kept(shop: Context) -> None:
    live = shop.database.target.database
    result = restore(shop, "latest")
    assert (items(shop), result.validation.ok, result.validation.differences) == (100, True, ())
    assert result.previous_database
    assert (result.database, items(shop, result.previous_database)) == (live, 10)
    assert result.written_meanwhile == {}
    assert 0 < result.outage_seconds <= result.seconds
    emergency = next(info for info in backup.list_backups(shop) if info.id == result.emergency_backup)
    assert result.restored in emergency.reason
    with shop.database.session() as session:
        assert session.rows("SELECT n_distinct FROM pg_stats WHERE (tablename, attname) = ('item', 'id')") == [(-1.0,)]
        assert session.rows("SHOW work_mem") == [("7MB",)]
        assert session.rows(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (live,)
        ) == [("the shop",)]
    assert scratch(shop) == []
    (*_, record) = journal.records(shop)
    assert (record.operation, record.outcome, record.last("swap_finished")["kept"]) == (
        "restore", "restored", result.previous_database
    )  # fmt: skip


def test_undo_swaps_back_again_and_again(shop: Context) -> None:
    with pytest.raises(NotFound, match="nothing to undo"):
        undo(shop)
    restored = restore(shop, "latest")
    with shop.database.session() as session:
        session.execute("INSERT INTO item (name) VALUES ('since')")
    first = undo(shop)
    assert (items(shop), first.restored, first.emergency_backup) == (10, restored.previous_database, None)
    assert first.written_meanwhile
    assert first.written_meanwhile["public.item"] == 1  # autovacuum may have written elsewhere
    second = undo(shop)
    assert (items(shop), second.restored) == (101, first.previous_database)
    assert second.previous_database
    drop(shop, second.previous_database)
    with pytest.raises(NotFound, match="is gone"):
        undo(shop)


class LostFrom(LocalHost):
    """A machine whose journal cannot be written any more from one kind of line on."""

    def __init__(self, event: bytes, error: LocktenderError) -> None:
        self.event, self.error, self.lost = event, error, False

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        self.lost = self.lost or self.event in data
        if self.lost:
            raise self.error
        super().append(path, data, sync=sync)


@pytest.mark.parametrize("error", [HostUnreachable("The line is cut."), DiskFull("The disk is full.")])
def test_a_swap_that_cannot_be_written_down_any_more_is_no_failure(shop: Context, error: LocktenderError) -> None:
    result = restore(replace(shop, host=LostFrom(b'"swap_finished"', error)), "latest")
    assert (items(shop), items(shop, str(result.previous_database))) == (100, 10)
    backup.create(shop)
    (*_, record) = journal.records(shop)
    assert (record.outcome, record.last("run_finished")["state"]) == ("interrupted", "new")
    assert undo(shop).restored == result.previous_database
    assert items(shop) == 10


def test_a_connection_lost_in_gathering_statistics_spoils_no_restore(
    shop: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session as soon as it is asked for anything."""
    connect = shop.database.connect

    def dying(name: str | None = None, *, purpose: str = "") -> object:
        session = connect(name, purpose=purpose)
        other = connect("postgres")
        other.rows("SELECT pg_terminate_backend(%s)", (session.pid,))
        other.close()
        return session

    monkeypatch.setattr(shop.database, "connect", dying)
    beside._analyze(shop, shop.database.target.database)


def test_into_another_name_leaves_the_live_one_alone(shop: Context) -> None:
    name = f"{shop.database.target.database} copy"
    result = restore(shop, "latest", into=name)
    assert (result.database, result.previous_database, result.emergency_backup) == (name, None, None)
    assert (items(shop, name), items(shop)) == (100, 10)
    with untouched(shop), pytest.raises(Refused, match="already"):
        restore(shop, "latest", into=name)
    for impossible in ("", "x" * 64):
        with untouched(shop), pytest.raises(UsageError):
            restore(shop, "latest", into=impossible)


def test_a_dry_run_tells_the_steps_and_does_nothing(shop: Context) -> None:
    with untouched(shop):
        steps = "\n".join(restore(shop, "latest", dry_run=True).steps)
        assert len(restore(shop, "latest", into="elsewhere", dry_run=True).steps) == 3
    for part in ("intact", "emergency backup", "1 tables with 100 rows", "rename"):
        assert part in steps


def test_a_damaged_backup_is_refused_before_anything_is_done(shop: Context) -> None:
    backup_id = backup.list_backups(shop)[0].id
    data = next(Path(backup_path(shop.environment, backup_id)).rglob("*.dat*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with untouched(shop), pytest.raises(Tampered):
        restore(shop, backup_id)
    with untouched(shop), pytest.raises(NotFound):
        restore(shop, "20240101T000000Z-abcdef")


def test_a_backup_that_does_not_hold_what_it_says_is_not_swapped_in(shop: Context) -> None:
    """Sealed by someone who counts wrongly: only the comparison after the restore can find that."""
    manifest = backup.load(shop, "latest")
    wrong = replace(manifest, tables={"public.item": TableRows(99)})
    Path(backup_path(shop.environment, manifest.id), MANIFEST).write_bytes(to_bytes(wrong))
    before = around(shop)
    with pytest.raises(RestoreFailed, match="99 rows in the backup, 100 after") as caught:
        restore(shop, manifest.id)
    assert "--into" in (caught.value.hint or "")
    assert items(shop) == 10
    assert around(shop)[0] == before[0]
    result = restore(shop, manifest.id, into=f"{shop.database.target.database}_look")
    assert (result.validation.ok, len(result.validation.differences)) == (False, 1)


@pytest.mark.each_version
def test_a_backup_that_cannot_be_restored_leaves_everything_as_it_was(context: Context) -> None:
    """Valid, but a CHECK that looks through the search path finds nothing while it is restored."""
    with context.database.session() as session:
        session.script(SHOP)
        session.script(
            "CREATE TABLE allowed (name text); INSERT INTO allowed VALUES ('x');"
            "CREATE FUNCTION ok(text) RETURNS bool LANGUAGE sql AS"
            " 'SELECT EXISTS (SELECT FROM allowed WHERE name = $1)';"
            "CREATE TABLE checked (name text CHECK (ok(name))); INSERT INTO checked VALUES ('x')"
        )
    backup_id = backup.create(context).id
    before = around(context)[0]
    with pytest.raises(RestoreFailed, match="checked"):
        restore(context, backup_id)
    with pytest.raises(RestoreFailed, match="checked"):
        restore(context, backup_id, into="never_there")
    assert (items(context), around(context)[0]) == (100, before)
    assert [record.outcome for record in journal.records(context)] == ["failed", "failed"]


def test_a_backup_of_something_else_needs_to_be_asked_for(shop: Context, server: Server, context_of: ContextOf) -> None:
    other = context_of(server.url(server.create()), name="other")
    with other.database.session() as session:
        session.script(SHOP)
    manifest = backup.load(shop, "latest")
    with pytest.raises(Refused, match="not of"), untouched(other):
        restore(other, manifest.id)
    assert restore(other, manifest.id, foreign=True).validation.ok
    with pytest.raises(Refused, match="comes from another server"):
        refuse_unfit(shop, replace(manifest, system_identifier="1"), live=True, into=None, foreign=False)


@pytest.mark.each_version
def test_what_the_server_lacks_is_told_all_at_once(shop: Context) -> None:
    manifest = backup.load(shop, "latest")
    lacking = replace(
        manifest,
        server_version=170002,
        extensions={"plpgsql": "1.0", "nonesuch": "1", "citext": "0.9", "file_fdw": "1.0"},
        roles=("app_owner", "ghost"),
        tablespaces=("fast disk",),
        owners=("app_owner", "postgres"),
    )
    with untouched(shop), pytest.raises(Refused) as caught:
        refuse_unfit(shop, lacking, live=True, into=None, foreign=False)
    told = caught.value.message
    for part in (
        "PostgreSQL 17.2", "nonesuch is not installed", "citext 0.9 is not available",
        "superuser can create extension file_fdw",
        "'ghost' does not exist", "'fast disk' does not exist", "no member of 'postgres'",
    ):  # fmt: skip
        assert part in told
    assert len(caught.value.details["problems"]) == 7


@pytest.mark.each_version
def test_properties_that_cannot_be_put_back_are_found_beforehand(shop: Context, server: Server) -> None:
    live = shop.database.target.database
    ensure_reader(server)
    with server.superuser().session() as session:
        session.execute(f"ALTER ROLE app_reader IN DATABASE {live} SET work_mem = '5MB'")
    backup_id = backup.create(shop).id
    with server.superuser().session() as session:
        session.execute(f"ALTER ROLE app_reader IN DATABASE {live} RESET ALL")
    with untouched(shop), pytest.raises(Refused, match="ALTER ROLE"):
        restore(shop, backup_id)


@pytest.mark.each_version
def test_what_stands_in_the_way_of_the_swap_is_found_beforehand(shop: Context, server: Server) -> None:
    with server.superuser(shop.database.target.database).session() as boss:
        with untouched(shop), pytest.raises(Refused, match=f"session {boss.pid} of postgres"):
            restore(shop, "latest")
        assert boss.rows("SELECT 1") == [(1,)]
    with server.superuser(shop.database.target.database).session() as session:
        session.rows("SELECT pg_create_logical_replication_slot('watching', 'pgoutput')")
    try:
        with untouched(shop), pytest.raises(Refused, match="watching"):
            restore(shop, "latest")
    finally:
        with server.superuser(shop.database.target.database).session() as session:
            session.rows("SELECT pg_drop_replication_slot('watching')")


def test_a_role_without_rights_is_told_so(server: Server, shop: Context, context_of: ContextOf) -> None:
    live = shop.database.target.database
    with server.superuser().session() as session:
        session.execute(f"CREATE ROLE {live} LOGIN PASSWORD '{OWNER_PASSWORD.reveal()}'")
    with untouched(shop), pytest.raises(Refused) as caught:
        restore(context_of(server.url(live, user=live)), "latest")
    assert "CREATEDB" in caught.value.message
    assert "belongs to app_owner" in caught.value.message


def test_a_running_migration_is_waited_for_and_then_respected(shop: Context) -> None:
    impatient = replace(shop, environment=replace(shop.environment, advisory_lock_timeout=0.1))
    with shop.database.session() as session:
        session.rows("SELECT pg_advisory_lock(%s)", (FORMATS[0].lock_id,))
        with untouched(shop), pytest.raises(LockHeld):
            restore(impatient, "latest")


def test_rows_written_meanwhile_are_told_and_kept(shop: Context) -> None:
    stop = threading.Event()
    written = []

    def write() -> None:
        with shop.database.session() as session:
            while not stop.is_set():
                session.execute("INSERT INTO item (name) VALUES ('late')")
                written.append(1)

    def client() -> None:
        try:
            write()
        except Exception:  # noqa: BLE001 - the swap ends its session, one way or another
            stop.set()

    thread = threading.Thread(target=client)
    thread.start()
    try:
        result = restore(shop, "latest")
    finally:
        stop.set()
        thread.join()
    assert result.previous_database
    kept = items(shop, result.previous_database)
    assert (items(shop), kept >= 10 + len(written)) == (100, True)
    emergency = backup.load(shop, str(result.emergency_backup)).tables["public.item"].rows
    assert result.written_meanwhile
    assert sum(result.written_meanwhile.values()) >= kept - emergency > 0


@pytest.mark.each_version
def test_without_a_live_database_it_is_made_anew(shop: Context, server: Server) -> None:
    live = shop.database.target.database
    with server.superuser().session() as session:
        session.execute(f"DROP DATABASE {live} WITH (FORCE)")
    assert "There is no database" in restore(shop, "latest", dry_run=True).steps[-1]
    result = restore(shop, "latest")
    assert (items(shop), result.emergency_backup, result.previous_database) == (100, None, None)
    with pytest.raises(NotFound):
        undo(shop)


def test_kept_databases_are_listed_and_pruned_by_age(shop: Context) -> None:
    assert kept_databases(shop) == ()
    first = restore(shop, "latest", emergency=False)
    assert first.emergency_backup is None
    second = restore(shop, first.restored, emergency=False)
    found = kept_databases(shop)
    assert {kept.name for kept in found} == {first.previous_database, second.previous_database}
    assert all(kept.bytes > 1_000_000 for kept in found)
    assert prune_kept(shop, older_than=3600) == ()
    assert len(prune_kept(shop, older_than=0, dry_run=True)) == 2
    with shop.database.session(first.previous_database):
        assert [kept.name for kept in prune_kept(shop, older_than=0)] == [second.previous_database]
    assert [kept.name for kept in kept_databases(shop)] == [first.previous_database]


@pytest.mark.each_version
def test_an_old_extension_comes_back_in_its_old_version(context: Context) -> None:
    with context.database.session() as session:
        ((version,),) = session.rows(
            "SELECT min(v.version) FROM pg_available_extension_versions v JOIN pg_available_extensions USING (name)"
            " WHERE name = 'citext' AND v.version <> default_version"
        )
        session.script(SHOP + f"CREATE EXTENSION citext VERSION '{version}'; CREATE TABLE c (a citext)")
    backup.create(context)
    assert restore(context, "latest").validation.ok
    with context.database.session() as session:
        assert session.rows("SELECT extversion FROM pg_extension WHERE extname = 'citext'") == [(version,)]


@pytest.mark.each_version
def test_everything_that_backups_are_known_to_lose_comes_back(server: Server, context_of: ContextOf) -> None:
    context = context_of(server.process.url(regression_database(server)))
    with context.database.session() as session:
        before = catalog.read(session)
    backup_id = backup.create(context).id
    result = restore(context, backup_id)
    with context.database.session() as session:
        assert [str(difference) for difference in catalog.diff(before, catalog.read(session))] == []
    assert result.validation.ok
    plain = context_of(server.url(context.database.target.database))
    with pytest.raises((Refused, PrivilegeMissing)) as caught:
        restore(plain, backup_id)
    assert "event trigger watch" in caught.value.message
    assert "publication everything (for all tables)" in tuple(only_for_superusers(before))


RESTORING = """
import sys
from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.processes import LocalProcesses
from operations.context import Context
from operations.database_url import parse_database_url
from operations.restore import restore
from operations.secret import Secret
from operations.settings import Environment

url = Secret(sys.stdin.readline().strip())
directory, backup_id, tools, *into = sys.argv[1:]
context = Context(
    Environment("local", url, directory, directory), LocalHost(), PostgresDatabase(parse_database_url(url)),
    SystemClock(), LocalProcesses(), client_directories=(tools,),
)
print("begun", flush=True)
restore(context, backup_id, into=into[0] if into else None)
"""


@contextmanager
def restoring(context: Context, backup_id: str, *into: str) -> Iterator[subprocess.Popen[str]]:
    """In a process that is killed at the end of the block."""
    words = (context.environment.backup_dir, backup_id, *context.client_directories, *into)
    process = subprocess.Popen(
        [sys.executable, "-c", RESTORING, *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        process.stdin.write(context.environment.database_url.reveal() + "\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("after", [0.5, pytest.param(1.3, marks=pytest.mark.campaign)])
def test_a_killed_restore_leaves_one_state_and_the_next_one_cleans_up(shop: Context, after: float) -> None:
    backup_id = backup.list_backups(shop)[0].id
    with restoring(shop, backup_id):
        time.sleep(after)
    assert items(shop) in (10, 100)
    again = restore(shop, backup_id)
    assert (items(shop), again.validation.ok) == (100, True)
    assert scratch(shop) == []
    assert all(record.finished for record in journal.records(shop))


def test_of_a_killed_restore_beside_it_is_said_that_a_part_may_be_left(shop: Context) -> None:
    backup_id = backup.list_backups(shop)[0].id
    with restoring(shop, backup_id, "staging") as process:
        while process.poll() is None and "staging" not in around(shop)[0]:
            time.sleep(0.005)
        assert process.poll() is None
    (note,) = backup.create(shop).notes
    assert "Database 'staging', should it be there, may hold only a part" in note
    with pytest.raises(Refused, match="database 'staging' already, which may hold only a part of a backup") as caught:
        restore(shop, backup_id, into="staging")
    (dead,) = (record for record in journal.records(shop) if record.into == "staging")
    assert dead.run_id in note
    assert dead.run_id in caught.value.message
    with shop.database.session("postgres") as session:
        session.execute("DROP DATABASE staging WITH (FORCE)")
    again = restore(shop, backup_id, into="staging")
    assert (again.database, again.validation.ok) == ("staging", True)
    with pytest.raises(Refused, match=r"there is a database 'staging' already(?!, which)"):
        restore(shop, backup_id, into="staging")
    with shop.database.session("postgres") as session:
        session.execute("DROP DATABASE staging")
