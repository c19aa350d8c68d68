"""Backups of real databases: complete or absent, consistent, and refused beforehand where they could not be."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import backup_dump
from operations.adapters.throwaway import embedded_binaries
from operations.backup import create, list_backups, load_intact, show, take_backup, verify
from operations.backup_archive import LARGE, read_through
from operations.backup_leftovers import lists_path, partial_path
from operations.checks import damaged_backups
from operations.client_tools import find
from operations.context import Context
from operations.errors import (
    BackupFailed,
    DatabaseUnreachable,
    LockHeld,
    NotEnoughSpace,
    NotFound,
    PoolerInBetween,
    PrivilegeMissing,
    Tampered,
)
from operations.lock import held
from operations.ports import Progress
from operations.secret import Secret

from .conftest import DEBIAN_BINARIES, OWNER_PASSWORD, Server

pytestmark = pytest.mark.each_version

ContextOf = Callable[..., Context]
SHOP = """
CREATE TABLE "Account" (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO "Account" SELECT i, 100 FROM generate_series(1, 50) i;
CREATE TABLE transfer (id serial PRIMARY KEY, amount int);
CREATE TABLE bulk AS SELECT i, md5(i::text) AS a, md5((i + 1)::text) AS b FROM generate_series(1, 20000) i;
"""


@pytest.fixture
def shop(context: Context) -> Context:
    with context.database.session() as session:
        session.script(SHOP)
    return context


def in_directory(context: Context) -> list[str]:
    path = Path(context.environment.backup_dir)
    return sorted(entry.name for entry in path.iterdir() if entry.name != ".locktender") if path.exists() else []


def archive_of(context: Context, backup_id: str) -> Path:
    return Path(context.environment.backup_dir, backup_id, "archive")


def binaries(server: Server) -> Path:
    return DEBIAN_BINARIES if server.major == 15 else embedded_binaries()


def test_a_backup_says_what_it_is(shop: Context, server: Server) -> None:
    with shop.database.session() as session:
        session.script(
            "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL,"
            " finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,"
            " started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);"
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at) VALUES"
            " ('1', 'x', '1_init', now(), NULL), ('2', 'x', '2_failed', NULL, NULL), ('3', 'x', '3_back', now(), now())"
        )
        ((identifier,),) = session.rows("SELECT system_identifier::text FROM pg_control_system()")
    made = create(shop, "by hand")
    manifest = load_intact(shop, made.id)
    assert manifest.tables['public."Account"'].rows == 50
    assert manifest.migrations == ("1_init",)
    assert (manifest.environment, manifest.database) == ("local", shop.database.target.database)
    assert (manifest.reason, manifest.run, manifest.actor) == ("by hand", None, "tester")
    assert manifest.system_identifier == identifier
    assert manifest.server_version // 10000 == manifest.client_version // 10000 == server.major
    assert manifest.properties.owner == "app_owner"
    assert manifest.owners == ("app_owner",)
    assert manifest.sequences["public.transfer_id_seq"] is not None
    assert (made.level, made.verified, made.tables, made.rows) == ("L1", False, 4, 20053)
    assert made.bytes == sum(
        f.stat().st_size for f in Path(made.path).rglob("*") if f.is_file() and f.name != "manifest.json"
    )
    assert manifest.strange_to(manifest.database, identifier) == ()


def test_plain_pg_restore_reads_it_without_us(shop: Context, server: Server) -> None:
    made = create(shop)
    name = server.create()
    environment = {**os.environ, **server.superuser(name).client_environment()}
    program = str(binaries(server) / "pg_restore")
    subprocess.run([program, "-d", name, "--exit-on-error", f"{made.path}/archive"], env=environment, check=True)
    with server.superuser(name).session() as session:
        assert session.rows('SELECT sum(balance) FROM "Account"') == [(5000,)]


def test_levels_only_rise_with_what_was_tried(shop: Context) -> None:
    made = take_backup(shop, "levels", None, "L0")
    assert [(one.level, one.verified) for one in list_backups(shop)] == [("L0", False)]
    digest = show(shop, made.id).digest
    assert verify(shop, made.id).level == "L1"
    tested = verify(shop, "latest", test_restore=True)
    assert (tested.intact, tested.problems, tested.level, tested.verified) == (True, (), "L2", True)
    assert verify(shop, made.id).level == "L2", "a lesser check takes nothing back"
    assert list_backups(shop)[0].verified
    assert load_intact(shop, made.id).digest == digest, "the manifest itself is never written again"


def test_rows_that_cannot_be_read_to_their_end_are_named(shop: Context, server: Server) -> None:
    """Whether we read them ourselves, as large ones, or pg_restore does."""
    made = create(shop)
    archive, tools = archive_of(shop, made.id), find(shop, server.major * 10_000)
    sizes = shop.host.sizes(str(archive))
    rows = sorted(archive.glob("[0-9]*.dat.gz"), key=lambda path: path.stat().st_size)
    assert rows[0].stat().st_size < LARGE < rows[-1].stat().st_size
    read_through(shop, tools, str(archive), sizes, 1000)
    for path, named in ((rows[-1], rows[-1].name), (rows[0], "could not ")):
        whole = path.read_bytes()
        for damaged in (whole[:-5], None):
            path.unlink()
            if damaged:
                path.write_bytes(damaged)
            with pytest.raises(BackupFailed, match=named if damaged else "could not|No such file"):
                read_through(shop, tools, str(archive), shop.host.sizes(str(archive)), 1000)
        path.write_bytes(whole)


def test_the_newest_is_first_and_latest(shop: Context) -> None:
    with pytest.raises(NotFound, match="no backup yet"):
        load_intact(shop, "latest")
    made = [take_backup(shop, str(number), None, "L0").id for number in range(3)]
    assert [one.id for one in list_backups(shop)] == made[::-1]
    assert load_intact(shop, "latest").id == made[-1]
    for name in ("../x", "nope", "", ".", "latest/..", made[0] + "/"):
        with pytest.raises(NotFound):
            load_intact(shop, name)


def test_directories_that_are_no_backups_are_left_alone(shop: Context) -> None:
    base = Path(shop.environment.backup_dir)
    for name in (".hidden", "20260101T000000Z-abcdef.partial", "somebody's"):
        (base / name).mkdir(parents=True)
    (base / "a file").touch()
    assert list_backups(shop) == ()
    lost = base / "20260101T000000Z-abcdef"
    lost.mkdir()
    (only,) = list_backups(shop)
    assert (only.id, only.level) == (lost.name, None)
    assert "no manifest.json" in only.problems[0]


def test_writes_going_on_do_not_show(shop: Context) -> None:
    """Money moves between accounts all the while; no backup ever sees it in neither or both."""
    stop, moved = threading.Event(), threading.Event()

    def move() -> None:
        with shop.database.session() as session:
            while not stop.is_set():
                session.script(
                    'BEGIN; UPDATE "Account" SET balance = balance - 1 WHERE id = 1 + random() * 49;'
                    'INSERT INTO transfer (amount) SELECT 5000 - sum(balance) FROM "Account";'
                    'UPDATE "Account" SET balance = balance + 5000 - (SELECT sum(balance) FROM "Account") WHERE id = 7;'
                    "COMMIT"
                )
                moved.set()

    thread = threading.Thread(target=move)
    thread.start()
    try:
        assert moved.wait(10)
        made = [take_backup(shop, "under load", None, "L0") for _ in range(2)]
    finally:
        stop.set()
        thread.join()
    for backup in made:
        assert verify(shop, backup.id, test_restore=True).problems == ()
    counts = [load_intact(shop, backup.id).tables["public.transfer"].rows for backup in made]
    assert counts[0] < counts[1], "there was a load"


def test_a_truncate_in_between_is_seen_as_a_whole(shop: Context) -> None:
    """TRUNCATE shows in every snapshot at once: the backup waits for it instead of finding an empty table too early."""
    done: list[str] = []
    with shop.database.session() as other:
        with other.transaction():
            other.script('TRUNCATE transfer; INSERT INTO "Account" VALUES (99, 0); TRUNCATE bulk')
            thread = threading.Thread(target=lambda: done.append(take_backup(shop, "t", None, "L0").id))
            thread.start()
            with shop.database.session() as watcher:
                query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'"
                while watcher.rows(query) == [(0,)]:
                    assert thread.is_alive()
        thread.join()
    rows = {name: table.rows for name, table in load_intact(shop, done[0]).tables.items()}
    assert rows == {'public."Account"': 51, "public.bulk": 0, "public.transfer": 0}


def test_a_locked_table_ends_it_in_time_and_says_who(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_dump, "LOCK_WAIT", 0.7)
    with shop.database.session(purpose="the culprit") as other, other.transaction():
        other.execute('LOCK TABLE "Account" IN ACCESS EXCLUSIVE MODE')
        with pytest.raises(BackupFailed, match=f"locked against readers.*pid {other.pid} .*the culprit"):
            take_backup(shop, "t", None, "L0")
    assert in_directory(shop) == []


def test_equal_files_are_shared_but_damage_is_not(shop: Context) -> None:
    first, second = create(shop), create(shop)
    assert second.linked_bytes > 500_000
    shared = [file for file in archive_of(shop, second.id).iterdir() if file.stat().st_nlink == 2]
    assert len(shared) == 1
    data = bytearray(shared[0].read_bytes())
    data[1000] ^= 1
    shared[0].write_bytes(data)
    third = create(shop)
    assert third.linked_bytes == 0
    assert load_intact(shop, third.id)
    for damaged, other in ((first, second), (second, first)):
        with pytest.raises(Tampered, match=f"SHA-256 is another one; the same file is in {other.id}$"):
            load_intact(shop, damaged.id)
    shared[0].write_bytes(data[:-3])
    for damaged, other in ((first, second), (second, first)):
        (problem,) = verify(shop, damaged.id).problems
        assert problem.endswith(f"; the same file is in {other.id}")
    (told,) = damaged_backups.look(shop)
    assert {name for name in (first.id, second.id, third.id) if name in told.detail} == {first.id, second.id}
    with shop.database.session() as session:
        session.execute("UPDATE bulk SET a = 'x' WHERE i = 1")
    assert create(shop).linked_bytes == 0


def wrapped(tmp_path: Path, server: Server, script: str) -> str:
    """A directory with the real tools, but for a pg_dump that does ``script`` with ``$real`` and its arguments."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "pg_restore").symlink_to(binaries(server) / "pg_restore")
    program = directory / "pg_dump"
    program.write_text(
        f'#!/bin/bash\nreal={binaries(server)}/pg_dump\n[ "$1" = --version ] && exec $real "$@"\n{script}\n'
    )
    program.chmod(0o755)
    return str(directory)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('$real "$@"; kill -9 $$', "pg_dump failed"),
        ('$real "$@"; echo "pg_dump: error: it broke" >&2; exit 1', "it broke"),
        ('$real "$@"; echo "pg_dump: error: could not write: No space left on device" >&2; exit 1', "disk .* is full"),
        ('for d; do case $d in --file=*) mkdir "${d#--file=}";; esac; done', "archive cannot be read"),
        ('exec $real "${@/--snapshot=*/--snapshot=00000003-1}"', "snapshot"),
    ],
)
def test_a_dump_that_fails_leaves_nothing(
    shop: Context, server: Server, tmp_path: Path, script: str, reason: str
) -> None:
    environment = replace(shop.environment, client_bin=wrapped(tmp_path, server, script))
    with pytest.raises(BackupFailed, match=reason) as caught:
        create(replace(shop, environment=environment))
    assert OWNER_PASSWORD.reveal() not in str(caught.value)
    assert in_directory(shop) == []


def test_what_a_dead_run_left_is_removed_by_the_next(shop: Context) -> None:
    ours = Path(partial_path(shop, "20260101T000000Z-abcdef"))
    theirs = Path(partial_path(replace(shop, environment=replace(shop.environment, name="other")), ours.name[:23]))
    for path in (ours, theirs):
        (path / "archive").mkdir(parents=True)
    lists = [Path(lists_path(shop)) for _ in range(2)]
    lists[0].parent.mkdir(parents=True)
    for path in lists:
        path.touch()
    os.utime(lists[0], (0, 0))
    take_backup(shop, "next", None, "L0")
    assert not ours.exists()
    assert [path.exists() for path in lists] == [False, True], "reading takes no lock: a young list may be in use"
    assert theirs.exists(), "another environment may be at work on it"


def test_it_waits_for_nobody_who_holds_the_lock(shop: Context) -> None:
    with held(shop, "deploy", "other"), pytest.raises(LockHeld):
        create(shop)
    with held(shop, "deploy", "other"):
        take_backup(shop, "inside the run that holds it", None, "L0")


def test_too_little_space_is_foretold_with_both_numbers(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1_500_000, 1_500_000))
    with pytest.raises(NotEnoughSpace, match=r"about \d.* MB are needed .*, 1\.5 MB are free"):
        create(shop)
    assert in_directory(shop) == []


def test_rows_hidden_by_policies_are_no_backup(shop: Context) -> None:
    with shop.database.session() as session:
        session.script("ALTER TABLE transfer ENABLE ROW LEVEL SECURITY")
        take_backup(shop, "the owner is not affected", None, "L0")
        session.script("ALTER TABLE transfer FORCE ROW LEVEL SECURITY")
    with pytest.raises(PrivilegeMissing, match=r"hides rows of public\.transfer") as caught:
        create(shop)
    assert caught.value.hint == "Let a superuser run: ALTER ROLE app_owner BYPASSRLS"


def test_what_may_not_be_read_is_named(shop: Context, server: Server) -> None:
    with server.superuser(shop.database.target.database).session() as session:
        session.script(
            "CREATE TABLE alien (a serial); CREATE SCHEMA closed; CREATE TABLE closed.t (); SELECT lo_create(4711);"
            "GRANT SELECT ON closed.t TO app_owner"
        )
    with pytest.raises(PrivilegeMissing) as caught:
        create(shop)
    for what in ("table public.alien", "table public.alien_a_seq", "table closed.t", "large object 4711"):
        assert what in caught.value.message
    with server.superuser(shop.database.target.database).session() as session:
        session.script(
            "GRANT SELECT ON alien, alien_a_seq TO app_owner; GRANT USAGE ON SCHEMA closed TO app_owner;"
            "GRANT SELECT ON LARGE OBJECT 4711 TO app_owner"
        )
    assert create(shop).level == "L1"
    with pytest.raises(PrivilegeMissing, match="belong to 'postgres'"):
        create(shop, verify="L2")


def test_what_only_a_superuser_can_restore_is_refused_beforehand(shop: Context, server: Server) -> None:
    with server.superuser(shop.database.target.database).session() as session:
        session.script(
            "CREATE EXTENSION postgres_fdw; CREATE PUBLICATION everything FOR ALL TABLES;"
            "CREATE SUBSCRIPTION away CONNECTION 'host=nowhere.invalid password=hidden' PUBLICATION p"
            " WITH (connect = false)"
        )
    try:
        with pytest.raises(PrivilegeMissing) as caught:
            create(shop, verify="L2")
        for what in ("extension postgres_fdw", "publication everything"):
            assert what in caught.value.message
        made = create(shop)
        assert made.warnings == ("Subscriptions are not in the backup, because 'app_owner' is no superuser: away.",)
    finally:
        with server.superuser(shop.database.target.database).session() as session:
            session.script("ALTER SUBSCRIPTION away DISABLE")
            session.script("ALTER SUBSCRIPTION away SET (slot_name = NONE)")
            session.execute("DROP SUBSCRIPTION away")


def test_a_role_that_may_not_create_databases_is_told(server: Server, context_of: ContextOf) -> None:
    with server.superuser().session() as session:
        session.script("DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN PASSWORD 'modest'")
    context = context_of(server.url(server.create(owner="modest"), "modest", Secret("modest")))
    with pytest.raises(PrivilegeMissing, match="'modest' may not create databases"):
        create(context, verify="L2")
    assert create(context).level == "L1"


def test_progress_is_told_to_the_end(shop: Context) -> None:
    told: list[Progress] = []
    with shop.database.session() as session:
        session.execute("VACUUM bulk")
    create(replace(shop, report=told.append), verify="L2")
    for label in ("dumping", "restoring"):
        done = [progress.done for progress in told if progress.label.startswith(label)]
        total = {progress.total for progress in told if progress.label.startswith(label)}
        assert done == sorted(done)
        assert {done[-1]} == total != {0}


def test_an_interrupt_leaves_nothing_and_nobody(shop: Context) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.label == "counting rows":
            raise KeyboardInterrupt

    with shop.database.session() as session:
        with pytest.raises(KeyboardInterrupt):
            create(replace(shop, report=interrupt))
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ 'locktender backup|client'"
        while session.rows(f"{ours} AND datname = current_database()") != [(0,)]:
            pass
    assert in_directory(shop) == []


def test_secrets_are_nowhere(shop: Context, server: Server) -> None:
    made = create(shop)
    for file in (Path(made.path) / "manifest.json", Path(made.path) / "catalog.json"):
        assert OWNER_PASSWORD.reveal() not in file.read_text()
    assert (Path(made.path).stat().st_mode & 0o077) == 0


def test_a_server_that_is_away_is_said_to_be(context_of: ContextOf) -> None:
    with pytest.raises(DatabaseUnreachable):
        take_backup(context_of(Secret("postgresql://u:p@127.0.0.1:1/x")), "t", None, "L1")
    with pytest.raises(PoolerInBetween):
        take_backup(context_of(Secret("postgresql://u:p@127.0.0.1:1/x?pgbouncer=true")), "t", None, "L1")
