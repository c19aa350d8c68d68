"""The disks of a server: real file systems, mounted for the test; a real tablespace; programs called docker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from msgspec.structs import replace

from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.backup import BackupResult, create, verify
from operations.backup_space import refuse_full_server
from operations.checks.model import Check
from operations.checks.server_disk import look
from operations.context import Context
from operations.database_url import parse_database_url
from operations.deploy import deploy
from operations.errors import BackupFailed, HostError, NotEnoughSpace
from operations.health import NAMES, check
from operations.monitoring import store
from operations.monitoring.model import State
from operations.monitoring.trends import DAY, HOUR
from operations.mounts import Mount, file_systems, located, parsed, with_root
from operations.restore import restore
from operations.secret import Secret
from operations.settings import App, Backups

from .conftest import Server, missing
from .folders import write_migration
from .test_docker_commands import INSPECTED
from .test_health import limited
from .test_way_back import way_of_failure, when

MIB = 1024**2


@contextmanager
def mounted(size: str = "64m", options: str = "rw") -> Iterator[Path]:
    """A file system of its own that everybody may reach, unlike pytest's directories."""
    place = Path(mkdtemp(prefix="locktender-disk-", dir="/var/tmp"))
    place.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755,{options}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        place.rmdir()
        missing("the right to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@pytest.fixture
def disk() -> Iterator[Path]:
    with mounted() as place:
        yield place


@pytest.fixture
def plain(server18: Server, context_of: Callable[..., Context]) -> Context:
    """As a role without any right of the server's."""
    return limited(context_of(server18.url(server18.create())), server_disk=1)


def seen(context: Context) -> dict[str, Check]:
    """By their mount points."""
    return {one.subject: one for one in look(context)}


def with_app(context: Context, directory: Path, **settings: object) -> Context:
    app = App(str(directory), ("web",), **settings)  # type: ignore[arg-type]
    return replace(context, environment=replace(context.environment, app=app))


def test_where_a_tablespace_lies_by_what_the_database_says(plain: Context, server18: Server, disk: Path) -> None:
    boss = server18.superuser()
    with boss.session() as session:
        ((data,),) = session.rows("SHOW data_directory")
        place = disk / "tables"
        place.mkdir(mode=0o700)
        owner = Path(str(data)).stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        session.execute(f"CREATE TABLESPACE on_disk LOCATION '{place}'")
    try:
        one = seen(plain)[str(disk)]
        assert one.status == "ok"
        assert 0 < (one.value or 0) <= 64 * MIB
        (disk / "full").write_bytes(b"x" * (60 * MIB))
        one = seen(limited(plain, server_disk=16 * MIB))[str(disk)]
        assert one.status == "fail"
        assert one.why == "There lie tables of a tablespace: without room nothing is written to them."
        assert one.fix.startswith(f"du -xh --max-depth 3 {disk} ")
        (disk / "full").unlink()
        assert seen(limited(plain, server_disk=16 * MIB))[str(disk)].status == "ok"
        told = [
            any("write-ahead log" in one.why for one in seen(limited(context, server_disk=10**17)).values())
            for context in (plain, replace(plain, database=boss))
        ]
        assert told == [False, True], "who may not read all settings is not told where it is"
    finally:
        with boss.session() as session:
            session.execute("DROP TABLESPACE on_disk")
    assert str(disk) not in seen(plain)


def test_each_file_system_once_with_all_that_lies_there_and_when_it_will_be_full(plain: Context, disk: Path) -> None:
    context = with_app(plain, disk)
    assert seen(context)[str(disk)].why == ""
    everything = seen(limited(context, server_disk=10**17))
    assert len(everything) == len({Path(path).stat().st_dev for path in everything}), "each once"
    assert Path("/").stat().st_dev in {Path(path).stat().st_dev for path in everything}, "the root, too"
    assert {one.status for one in everything.values()} == {"fail"}
    now, free = context.clock.now(), seen(context)[str(disk)].value or 0.0
    for pace, status in ((free / 3, "warn"), (free / 100, "ok")):
        samples = tuple((now - hours * HOUR, free + pace * hours * HOUR / DAY) for hours in range(48, 0, -1))
        store.save(context, State(now, {}, {f"server_disk {disk}": samples}))
        told = seen(context)[str(disk)]
        assert (told.status, "full in" in told.detail) == (status, True)


def test_when_the_disk_of_the_backups_is_full_is_told_by_a_check_of_its_own(plain: Context, disk: Path) -> None:
    environment = replace(plain.environment, backup_dir=str(disk))
    context = with_app(replace(plain, environment=environment), disk)
    now, free = context.clock.now(), float(context.host.free_bytes(str(disk)))
    samples = tuple((now - hours * HOUR, free + free / 3 * hours / 24) for hours in range(48, 0, -1))
    store.save(context, State(now, {}, {f"server_disk {disk}": samples, "disk": samples}))
    others = tuple(name for name in NAMES if name not in ("disk", "server_disk"))
    told = {(one.name, one.subject): one.status for one in check(limited(context, ignore=others)).checks}
    assert (told["disk", ""], told["server_disk", str(disk)]) == ("warn", "ok"), "once"
    assert seen(limited(context, server_disk=10**17))[str(disk)].status == "fail", "but that nothing is left is told"


def test_what_cannot_be_written_to_or_is_not_there_is_no_trouble(plain: Context) -> None:
    with mounted("1m", "ro") as place:
        assert str(place) not in seen(limited(with_app(plain, place), server_disk=10**17))
    assert str(place) not in seen(with_app(plain, place))


def test_where_docker_keeps_its_volumes_docker_says(
    plain: Context, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] && echo "{disk}"\n')
    program.chmod(0o755)
    assert str(disk) not in seen(plain)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    told = seen(limited(plain, server_disk=10**17))[str(disk)]
    assert told.why == "There lie Docker's volumes and images: without room nothing can be built."
    program.write_text("#!/bin/sh\nexit 1\n")
    assert str(disk) not in seen(plain)


def test_the_databases_container_is_seen_from_outside(
    plain: Context, server18: Server, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container is a made-up one, and the database that answers says where it lies in it."""
    with server18.superuser().session() as session:
        ((data,),) = session.rows("SHOW data_directory")
    port = plain.database.target.port
    described = {
        **INSPECTED,
        "NetworkSettings": {"Ports": {f"{port}/tcp": [{"HostPort": str(port)}]}, "Networks": {}},
        "Mounts": [{"Type": "bind", "Source": str(disk), "Destination": str(data), "RW": True}],
    }
    (tmp_path / "inspected.json").write_text(json.dumps([described]))
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in compose) echo c0ffee;; inspect) cat {tmp_path}/inspected.json;; *) exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    context = with_app(replace(plain, database=server18.superuser()), tmp_path, database_service="db")
    assert "databases" in seen(limited(context, server_disk=10**17))[str(disk)].why


def test_a_database_that_does_not_answer_or_is_elsewhere_costs_the_other_disks_nothing(plain: Context) -> None:
    root = Path("/").stat().st_dev
    for url in ("postgresql://app:x@127.0.0.1:1/app", "postgresql://app:x@db.example.com/app"):
        context = replace(plain, database=PostgresDatabase(parse_database_url(Secret(url))))
        assert root in {Path(path).stat().st_dev for path in seen(context)}


def test_a_disk_is_called_the_same_whatever_is_known_to_lie_on_it(plain: Context, server18: Server, disk: Path) -> None:
    with server18.superuser().session() as session:
        ((data,),) = session.rows("SHOW data_directory")
        place, owner = disk / "tables", Path(str(data)).stat()
        place.mkdir(mode=0o700)
        os.chown(place, owner.st_uid, owner.st_gid)
        session.execute(f"CREATE TABLESPACE on_disk LOCATION '{place}'")
    try:
        (disk / "app").mkdir()
        context = with_app(plain, disk / "app")
        away = PostgresDatabase(parse_database_url(Secret("postgresql://app:x@127.0.0.1:1/app")))
        assert str(disk) in seen(context)
        assert seen(context).keys() == seen(replace(context, database=away)).keys()
    finally:
        with server18.superuser().session() as session:
            session.execute("DROP TABLESPACE on_disk")


class Torn:
    """The host, but that one disk does not say what is free."""

    def __init__(self, host: Any, disk: Path) -> None:
        self.host, self.disk = host, str(disk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    def free_bytes(self, path: str) -> int:
        if path == self.disk:
            raise HostError(f"{path}: Input/output error.")
        return int(self.host.free_bytes(path))


def test_a_disk_that_cannot_be_asked_costs_the_others_nothing(plain: Context, disk: Path) -> None:
    context = with_app(plain, disk)
    told = seen(replace(context, host=Torn(context.host, disk)))  # type: ignore[arg-type]
    assert (told[str(disk)].status, told[str(disk)].detail) == ("fail", f"{disk}: Input/output error.")
    assert told["/"].value


class Counted(store.HostMemory):
    """How often it is read."""

    loads = 0

    def load(self) -> State:
        Counted.loads += 1
        return super().load()


def test_what_the_monitor_knows_is_read_once_for_all_disks(plain: Context, disk: Path) -> None:
    context = with_app(plain, disk)
    assert len(seen(replace(context, memory=Counted(context)))) > 1
    assert Counted.loads == 1


def test_a_path_is_on_the_file_system_that_the_system_says(plain: Context, disk: Path) -> None:
    assert file_systems(plain.host, [str(disk), "/no/where"])[str(disk)].point == str(disk)
    assert "/no/where" not in file_systems(plain.host, [str(disk), "/no/where"])


def test_in_a_changed_root_the_system_has_a_file_system_too() -> None:
    """As in a chroot, where the kernel tells of no mount that is the root."""
    proc = Mount("0:51", "/", "/proc", True)
    mounts = with_root([proc], os.makedev(254, 0))
    assert located(mounts, {"/": os.makedev(254, 0)})["/"] == Mount("254:0", "/", "/", True)
    assert located(mounts, {"/srv/app": os.makedev(254, 0)})["/srv/app"].point == "/"
    assert with_root([proc], None) == [proc]
    assert with_root(mounts, os.makedev(8, 1)) == mounts


def test_a_file_system_is_called_by_where_it_is_seen_whole_and_btrfs_is_found_by_its_path() -> None:
    mounts = tuple(
        parsed(
            """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:1 /run/netns /run rw,relatime - ext4 /dev/sda1 rw
31 22 0:40 /@data /srv/big\\040disk rw shared:2 master:1 - btrfs /dev/sdb rw,subvol=/@data
32 22 0:40 /@home /home rw - btrfs /dev/sdb rw,subvol=/@home
33 22 7:0 / /snap ro - squashfs /dev/loop0 ro
34 22 8:2 /hosts /etc/hosts rw - ext4 /dev/sda2 rw
35 22 8:2 / /mnt/postgresql rw - ext4 /dev/sda2 rw
"""
        )
    )
    assert [one.writable for one in mounts] == [True, True, True, True, False, True, True]
    of_subvolume, root = os.makedev(0, 77), os.makedev(8, 1)
    places = {"/srv/big disk/pg": of_subvolume, "/srv/big disk/pg/nested": os.makedev(0, 78), "/run/x": root, "/": root}
    found = located(mounts, places)
    assert {path: (one.device, one.point) for path, one in found.items()} == {
        "/srv/big disk/pg": ("0:40", "/srv/big disk"),
        "/srv/big disk/pg/nested": ("0:40", "/srv/big disk"),
        "/run/x": ("8:1", "/"),
        "/": ("8:1", "/"),
    }
    (linked,) = located(mounts, {"/var/lib/postgresql": os.makedev(8, 2)}).values()
    assert linked.point == "/mnt/postgresql"
    assert located((), places) == {}
    assert not Mount("8:2", "/", "/srv", True).leads_to("/srv2")


@pytest.fixture
def in_container(
    plain: Context, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Context, BackupResult]:
    """A table and its backup, in a container on ``disk``: a made-up one, what is run in it runs here."""
    port = plain.database.target.port
    published = {"Ports": {"5432/tcp": [{"HostPort": str(port)}]}, "Networks": {}}
    (tmp_path / "inspected.json").write_text(json.dumps([{**INSPECTED, "NetworkSettings": published, "Mounts": []}]))
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in compose) echo c0ffee;; inspect) cat {tmp_path}/inspected.json;;'
        f' exec) shift 4; PGDATA={disk} exec "$@";; *) exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    context = with_app(plain, tmp_path, database_service="db")
    with context.database.session() as session:
        session.execute("CREATE TABLE t AS SELECT generate_series(1, 100) AS i")
    return context, create(context)


NO_ROOM = r"write-ahead log are needed in PGDATA of the container postgres:15"


def test_a_restore_that_would_fill_the_disk_of_the_databases_container_is_refused_beforehand(
    in_container: tuple[Context, BackupResult], disk: Path
) -> None:
    context, made = in_container
    (disk / "full").write_bytes(b"x" * (50 * MIB))
    for attempt in (lambda: restore(context, made.id), lambda: verify(context, made.id, test_restore=True)):
        with pytest.raises(NotEnoughSpace, match=NO_ROOM):
            attempt()
    (disk / "full").unlink()
    assert verify(context, made.id, test_restore=True).verified
    assert restore(context, made.id).validation.ok


def test_the_room_that_a_dump_has_taken_on_the_same_disk_is_not_there_for_the_restore(
    in_container: tuple[Context, BackupResult], disk: Path
) -> None:
    context, made = in_container

    def fill() -> None:
        (disk / "dump").write_bytes(b"x" * (50 * MIB))

    with pytest.raises(BackupFailed, match=f"was written, but could not be tested: .*{NO_ROOM}"):
        create(when(context, "counting rows", fill), verify="L2")
    (disk / "dump").unlink()
    with pytest.raises(NotEnoughSpace, match=NO_ROOM):
        restore(when(context, "emergency backup", fill), made.id)


class FullWhereTheDataLie(LocalHost):
    """A host that says so."""

    def free_bytes(self, path: str) -> int:
        return 0 if "PG_VERSION" in self.list(path) else super().free_bytes(path)


def test_a_way_back_is_not_kept_from_by_an_estimate(server18: Server, context_of: Callable[..., Context]) -> None:
    """The deploy has not asked whether there is room beside; and what stands then is half a migration."""
    url = Secret(server18.process.url(server18.create(owner="postgres")).reveal())
    context = replace(context_of(url, backups=Backups(test_restore="never")), host=FullWhereTheDataLie())
    write_migration(context, "0_init", "CREATE TABLE t AS SELECT generate_series(1, 100) AS i;")
    deploy(context)
    with pytest.raises(NotEnoughSpace):
        restore(context, create(context).id)
    write_migration(context, "1_more", "UPDATE t SET i = 0; CREATE INDEX CONCURRENTLY x ON t (i);")
    write_migration(context, "2_bad", "SELECT 1/0;")
    assert way_of_failure(context) == ("swap", True)
    with context.database.session() as session:
        assert session.rows("SELECT min(i), count(*) FROM t") == [(1, 100)]


def test_the_log_that_a_slot_keeps_has_its_limit(server18: Server, context_of: Callable[..., Context]) -> None:
    boss = server18.superuser()
    context = context_of(Secret(server18.process.url("postgres").reveal()))

    def log(slots: str) -> str:
        with boss.session() as session:
            states = "SELECT string_agg(wal_status, ' ') FROM pg_replication_slots WHERE slot_name = 'nobodys'"
            assert session.rows(states) == [(slots or None,)]
            with pytest.raises(NotEnoughSpace) as caught:
                refuse_full_server(context, session, 2**60)
        (found,) = re.findall(r" and (\S+ \S+) of write-ahead log", caught.value.message)
        return str(found)

    def keep(setting: str) -> None:
        with boss.session() as session:
            session.execute(f"ALTER SYSTEM {setting}")
            session.rows("SELECT pg_reload_conf()")
        with boss.session() as session:
            shown = "SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"
            while session.rows(shown) != [(setting.rpartition(" ")[2] if setting.startswith("SET") else "-1",)]:
                time.sleep(0.02)

    usual = log("")
    try:
        with boss.session() as session:
            session.rows("SELECT pg_create_physical_replication_slot('nobodys', true)")
        everything = log("reserved")
        keep("SET max_slot_wal_keep_size TO 10000")
        assert log("reserved") not in (usual, everything)
        keep("SET max_slot_wal_keep_size TO 1")
        with boss.session() as session:
            for _ in range(4):
                session.rows("SELECT pg_logical_emit_message(false, 'a', 'b')")
                session.rows("SELECT pg_switch_wal()")
            session.execute("CHECKPOINT")
        assert log("lost") == usual
    finally:
        with boss.session() as session:
            session.rows(
                "SELECT pg_drop_replication_slot('nobodys') FROM pg_replication_slots WHERE slot_name = 'nobodys'"
            )
        keep("RESET max_slot_wal_keep_size")
