"""The disks of a server: real file systems, mounted for the test; a real tablespace; programs called docker."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.checks.model import Check
from operations.checks.server_disk import device, devices, look, read_only
from operations.context import Context
from operations.database_url import parse_database_url
from operations.health import NAMES, check
from operations.monitoring import store
from operations.monitoring.model import State
from operations.monitoring.trends import DAY, HOUR
from operations.secret import Secret
from operations.settings import App

from .conftest import Server, missing
from .test_docker_commands import INSPECTED
from .test_health import limited

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
    """By their directories."""
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
        one = seen(plain)[str(place)]
        assert one.status == "ok"
        assert 0 < (one.value or 0) <= 64 * MIB
        (disk / "full").write_bytes(b"x" * (60 * MIB))
        one = seen(limited(plain, server_disk=16 * MIB))[str(place)]
        assert one.status == "fail"
        assert one.why == "There lie tables of a tablespace: without room nothing is written to them."
        assert one.fix.startswith(f"du -xh --max-depth 3 {place} ")
        (disk / "full").unlink()
        assert seen(limited(plain, server_disk=16 * MIB))[str(place)].status == "ok"
        assert str(data) not in seen(plain), "who may not read all settings is not told"
        assert str(data) in seen(replace(plain, database=boss))
    finally:
        with boss.session() as session:
            session.execute("DROP TABLESPACE on_disk")
    assert str(place) not in seen(plain)


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


def test_a_devices_number_is_read_as_the_system_reads_it(plain: Context) -> None:
    for major, minor in ((8, 1), (0, 45), (259, 300), (4095, 255), (5000, 1_000_000)):
        assert device(os.makedev(major, minor)) == f"{major}:{minor}"
    found = Path("/dev/shm").stat().st_dev
    assert devices(plain.host, ["/dev/shm", "/no/where"]) == {"/dev/shm": f"{os.major(found)}:{os.minor(found)}"}
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    assert read_only(plain.host) <= {line.split()[2] for line in mounts}
