"""Is there room on the server's disks, where databases, containers and the system lie, and when will there be none?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from operations.checks.model import Check, Probe
from operations.commands import docker
from operations.context import Context
from operations.database_container import DatabaseContainer, find
from operations.docker import ask
from operations.errors import LocktenderError
from operations.monitoring.trends import room
from operations.ports import Host
from operations.swap import maintenance

TIMEOUT = 5.0
DATABASES, DOCKER = "/var/lib/postgresql", "/var/lib/docker"
"""Where Debian's PostgreSQL and Docker keep what is theirs."""
_PLACES = """
    SELECT false, setting FROM pg_settings WHERE name = 'data_directory'
    UNION ALL
    SELECT true, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''
"""
"""Whether it is a tablespace, and its directory; that of the data only for who may read all settings."""


@dataclass(frozen=True)
class Place:
    """A directory: what lies there, and what is so without room."""

    path: str
    lies: str
    lost: str


def look(context: Context) -> Iterator[Check]:
    """Each file system once, by its device: PostgreSQL's data, log and tablespaces, Docker's, the checkout's, the root.

    When that of the backups will be full is told by a check of its own. Where the data lie PostgreSQL tells members of
    pg_read_all_settings (or pg_monitor); of others the usual place is looked at.
    """
    every = tuple(_places(context))
    backups = context.environment.backup_dir
    found = devices(context.host, [backups, *(one.path for one in every)])
    frozen = read_only(context.host)
    shared: dict[str, list[Place]] = {}
    for place in every:
        if place.path in found and found[place.path] not in frozen:
            shared.setdefault(found[place.path], []).append(place)
    for device, places in shared.items():
        yield _judged(context, places, foreseen=device != found.get(backups))


def _judged(context: Context, places: Sequence[Place], *, foreseen: bool) -> Check:
    limits, path = context.environment.checks, places[0].path
    found = room(context, f"server_disk {path}", path)
    why = f"There lie {_listed(one.lies for one in places)}: without room {_listed(one.lost for one in places)}."
    fix = f"du -xh --max-depth 3 {path} | sort -h, on the server, shows what takes it."
    if found.free < limits.server_disk:
        return Check("server_disk", "fail", found.told, why, fix, value=found.free, subject=path)
    if foreseen and found.full_within(limits.disk_full_within):
        return Check("server_disk", "warn", found.told, why, fix, value=found.free, subject=path)
    return Check("server_disk", "ok", found.told, value=found.free, subject=path)


def _listed(words: Iterable[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} and {last}" if first else last


def _places(context: Context) -> Iterator[Place]:
    stops = "the database stops"
    for is_tablespace, path in _of_database(context):
        if is_tablespace:
            yield Place(path, "tables of a tablespace", "nothing is written to them")
        else:
            yield Place(path, "databases", stops)
            yield Place(f"{path}/pg_wal", "their write-ahead log", stops)
    yield Place(DATABASES, "databases", stops)
    yield Place(_of_docker(context.host), "Docker's volumes and images", "nothing can be built")
    app = context.environment.app
    if app and not context.app_hosts:
        yield Place(app.directory, "the application's checkout", "nothing can be deployed")
    yield Place("/", "the system's own files", "nobody can work on it")


def _of_database(context: Context) -> Iterator[tuple[bool, str]]:
    """As the host has them; nothing where the database is on another machine, does not answer, or does not say."""
    try:
        inside = _container(context)
        if inside is None and not _is_here(context.database.target.host):
            return
        with maintenance(context, "check") as session, Probe(context, session).reading():
            told: list[tuple[bool, str]] = session.rows(_PLACES)
    except LocktenderError:
        return
    for is_tablespace, path in told:
        outside = inside.outside(path) if inside else path
        if outside:
            yield is_tablespace, outside


def _container(context: Context) -> DatabaseContainer | None:
    app = context.environment.app
    if app is None or app.database_service is None:
        return None
    found = find(context.host, app, app.database_service)
    return found if found.port_for(context.database.target) is not None else None


def _is_here(name: str) -> bool:
    """Whether the host calls itself so, or it is a socket's directory."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.startswith("/")


def _of_docker(host: Host) -> str:
    try:
        return ask(host, docker.root_directory(), timeout=TIMEOUT).strip() or DOCKER
    except LocktenderError:
        return DOCKER


def devices(host: Host, paths: Iterable[str]) -> Mapping[str, str]:
    """Which device's file system each path is on, as ``MAJOR:MINOR``, if it is there and can be seen."""
    told = host.run(["stat", "-L", "-c", "%d %n", "--", *dict.fromkeys(paths)], timeout=TIMEOUT)
    lines = (line.partition(" ") for line in told.stdout.splitlines())
    return {path: device(int(number)) for number, _, path in lines if number.isdigit()}


def device(number: int) -> str:
    """As Linux writes in one number what has two: glibc's ``gnu_dev_major`` and ``gnu_dev_minor``. Pure."""
    major = number >> 8 & 0xFFF | number >> 32 & ~0xFFF
    return f"{major}:{number & 0xFF | number >> 12 & ~0xFF & 0xFFFFFFFF}"


def read_only(host: Host) -> frozenset[str]:
    """Devices whose file systems cannot be written to, however they are mounted: no room there is no trouble.

    A line of mountinfo: id, parent, device, root, mount point, options …, -, type, source, the file system's options.
    """
    told = host.run(["cat", "/proc/self/mountinfo"], timeout=TIMEOUT)
    mounts = (line.split() for line in told.stdout.splitlines())
    return frozenset(mount[2] for mount in mounts if len(mount) > 9 and "ro" in mount[-1].split(","))
