"""Is there room on the server's disks, where databases, containers and the system lie, and when will there be none?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from shlex import quote

from msgspec import Struct

from operations.checks.containers import PATIENCE, unanswered
from operations.checks.model import Check, Probe
from operations.commands import docker
from operations.context import Context
from operations.database_container import DatabaseContainer, find, is_here
from operations.docker import ask
from operations.errors import CommandTimedOut, LocktenderError
from operations.monitoring.trends import Samples, room, trends
from operations.mounts import file_systems
from operations.ports import Host
from operations.release.release import name_of_host
from operations.swap import maintenance

DATABASES, DOCKER = "/var/lib/postgresql", "/var/lib/docker"
"""Where Debian's PostgreSQL and Docker keep what is theirs."""
_PLACES = """
    SELECT false, setting FROM pg_settings WHERE name = 'data_directory'
    UNION ALL
    SELECT true, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''
"""
"""Whether it is a tablespace, and its directory; that of the data only for who may read all settings."""


class Place(Struct, frozen=True):
    """A directory: what lies there, and what is so without room."""

    path: str
    lies: str
    lost: str


def look(context: Context) -> Iterator[Check]:
    """Each file system once: PostgreSQL's data, log and tablespaces, Docker's, the checkout's, the root.

    When that of the backups will be full is told by a check of its own. Where the data lie PostgreSQL tells members of
    pg_read_all_settings (or pg_monitor); of others the usual place is looked at.
    """
    try:
        docker_root = _of_docker(context.host)
    except CommandTimedOut:
        yield unanswered("server_disk", name_of_host(context), f"Only {DOCKER} was looked at for what is Docker's.")
        docker_root = DOCKER
    every = tuple(_places(context, docker_root))
    backups = context.environment.backup_dir
    found = file_systems(context.host, [backups, *(one.path for one in every)])
    shared: dict[str, list[Place]] = {}
    for place in every:
        if place.path in found and found[place.path].writable:
            shared.setdefault(found[place.path].point, []).append(place)
    known = trends(context)
    of_backups = found[backups].point if backups in found else None
    for point, places in shared.items():
        samples = known.get(f"server_disk {point}", ())
        yield _judged(context, point, places, samples, foreseen=point != of_backups)


def _judged(context: Context, point: str, places: Sequence[Place], samples: Samples, *, foreseen: bool) -> Check:
    limits = context.environment.checks
    try:
        found = room(context, samples, point)
    except LocktenderError as error:
        why = "It could not be looked at."
        return Check("server_disk", "fail", error.message, why, error.hint or "", subject=point)
    why = f"There lie {_listed(one.lies for one in places)}: without room {_listed(one.lost for one in places)}."
    fix = f"du -xh --max-depth 3 {quote(point)} | sort -h, on the server, shows what takes it."
    if found.free < limits.server_disk:
        return Check("server_disk", "fail", found.told, why, fix, value=found.free, subject=point)
    if foreseen and found.full_within(limits.disk_full_within):
        return Check("server_disk", "warn", found.told, why, fix, value=found.free, subject=point)
    return Check("server_disk", "ok", found.told, value=found.free, subject=point)


def _listed(words: Iterable[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} and {last}" if first else last


def _places(context: Context, docker_root: str) -> Iterator[Place]:
    stops = "the database stops"
    for is_tablespace, path in _of_database(context):
        if is_tablespace:
            yield Place(path, "tables of a tablespace", "nothing is written to them")
        else:
            yield Place(path, "databases", stops)
            yield Place(f"{path}/pg_wal", "their write-ahead log", stops)
    yield Place(DATABASES, "databases", stops)
    yield Place(docker_root, "Docker's volumes and images", "nothing can be built")
    app = context.environment.app
    if app and not context.app_hosts:
        yield Place(app.directory, "the application's checkout", "nothing can be deployed")
    yield Place("/", "the system's own files", "nobody can work on it")


def _of_database(context: Context) -> Iterator[tuple[bool, str]]:
    """As the host has them; nothing where the database is on another machine, does not answer, or does not say."""
    try:
        inside = _container(context)
        if inside is None and not is_here(context.database.target.host):
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
    found = find(context.host, app, app.database_service, timeout=PATIENCE)
    return found if found.port_for(context.database.target) is not None else None


def _of_docker(host: Host) -> str:
    """Where it says, or else the usual place. Raises ``CommandTimedOut``."""
    try:
        return ask(host, docker.root_directory(), timeout=PATIENCE).strip() or DOCKER
    except CommandTimedOut:
        raise
    except LocktenderError:
        return DOCKER
