"""PostgreSQL's client tools: found, of the server's version, what they can, and run where they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import replace

from operations import client_places, database_container
from operations.client_places import InDocker, Inside, Installed, Place, Sidecar
from operations.commands import postgres_client as client
from operations.context import Context
from operations.database_container import DatabaseContainer
from operations.errors import ClientToolsMissing, CommandFailed, ConfigurationError
from operations.layout import state_directory
from operations.ports import Completed, Target

TIMEOUT = 30.0
FIRST_WITH_ZSTD = 16
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+)|\w*)")
NOWHERE = {**client.PLAIN, "PGHOST": "/nonexistent", "PGCONNECT_TIMEOUT": "2"}


class ClientTools(Struct, frozen=True):
    """Where ``pg_dump`` and ``pg_restore`` are. ``version`` as PostgreSQL counts: 150018 is 15.18."""

    pg_dump: str
    pg_restore: str
    version: int
    zstd: bool
    place: Place = field(default_factory=Installed)

    def __str__(self) -> str:
        return f"{self.pg_dump} {shown(self.version)}, {self.place}"

    @property
    def compression(self) -> str:
        """What their ``--compress`` is given: the quickest that they have."""
        return "zstd:1" if self.zstd else "1"

    def seen(self, target: Target) -> Target:
        """Where the database is, from where they run."""
        return self.place.seen(target)

    def run(self, context: Context, argv: Sequence[str], *, timeout: float) -> Completed:
        """Run one of them without a database. Raises as ``client_places.run`` does."""
        return client_places.run(context.host, self.place, argv, env=client.PLAIN, timeout=timeout)

    def run_connected(
        self,
        context: Context,
        argv: Sequence[str],
        database: str,
        *,
        settings: Mapping[str, str] = MappingProxyType({}),
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run one of them on a database of the server, with the environment's lock held by the caller.

        ``argv`` names the database as it is ``seen``; ``settings`` are further variables.
        """
        env = {**context.database.client_environment(database), **client.PLAIN, **settings}
        return client_places.run(
            context.host, self.place, argv, env=env, timeout=timeout, connects=True, on_line=on_line
        )


_OF_IMAGES: dict[tuple[type[Place], str], ClientTools] = {}


def find(context: Context, server_version: int) -> ClientTools:
    """The tools of the server's own major version: others write or read archives that do not fit.

    On the host they are looked for in ``client_bin`` where it is set, and only there; else where Debian, Red Hat and
    Homebrew install them, on PATH, and in the context's directories; then, or instead, in Docker, as ``client`` says.
    Raises ``ClientToolsMissing`` with what to install, and for Docker what ``database_container.find`` raises.
    """
    major = server_version // 10000
    unfit: list[str] = []
    for place, directory in _candidates(context, major):
        tools = _tools(context, place, directory)
        if tools and tools.version // 10000 == major:
            return _reaching(context, tools)
        if tools:
            unfit.append(f"{tools.pg_dump} is version {shown(tools.version)} ({place})")
    found = f" Found: {'; '.join(unfit)}." if unfit else ""
    raise ClientToolsMissing(
        f"No pg_dump and pg_restore of version {major} were found, and the server is PostgreSQL {major}.{found}",
        hint=f"apt install postgresql-client-{major} (from https://apt.postgresql.org where the distribution has"
        " another version), or name their directory as client_bin. Where the server is a service of Docker Compose,"
        " database_service under [app] lets them be run from its own image instead.",
    )


def shown(version: int) -> str:
    """``15.18`` of 150018."""
    return f"{version // 10000}.{version % 10000}"


def _candidates(context: Context, major: int) -> Iterator[tuple[Place, str]]:
    """Where to look, in this order; each directory with a slash at its end, the empty one leaves it to PATH."""
    environment = context.environment
    if environment.client in ("auto", "installed"):
        yield from ((Installed(), directory) for directory in _directories(context, major))
    if environment.client in ("container", "sidecar") or (environment.client == "auto" and _service(context)):
        yield _in_docker(context), ""


def _directories(context: Context, major: int) -> Iterator[str]:
    if context.environment.client_bin:
        yield f"{context.environment.client_bin}/"
        return
    yield f"/usr/lib/postgresql/{major}/bin/"
    yield ""
    yield f"/usr/pgsql-{major}/bin/"
    yield f"/opt/homebrew/opt/postgresql@{major}/bin/"
    for directory in context.client_directories:
        yield f"{directory}/"


def _tools(context: Context, place: Place, directory: str) -> ClientTools | None:
    """Those of an image are looked at once in a process: its id stands for what is in it."""
    if not isinstance(place, InDocker):
        return _probed(context, place, directory)
    key = (type(place), place.container.image)
    known = _OF_IMAGES.get(key) or _probed(context, place, directory)
    if known is None:
        return None
    _OF_IMAGES[key] = known
    return replace(known, place=place)


def _probed(context: Context, place: Place, directory: str) -> ClientTools | None:
    """``None`` if they are not both there, and the same.

    zstd is tried on a server that cannot be there: a build without it complains of that before it connects.
    """
    pg_dump, pg_restore = f"{directory}pg_dump", f"{directory}pg_restore"
    try:
        told = client_places.run(context.host, place, client.probe(pg_dump, pg_restore), env=NOWHERE, timeout=TIMEOUT)
    except CommandFailed:
        if isinstance(place, Installed):
            return None
        raise
    versions = {int(major) * 10000 + int(minor or 0) for major, minor in VERSION.findall(told.stdout)}
    if told.returncode or len(versions) != 1:
        return None
    (version,) = versions
    zstd = version // 10000 >= FIRST_WITH_ZSTD and "compression" not in told.stderr.lower()
    return ClientTools(pg_dump, pg_restore, version, zstd, place)


def _service(context: Context) -> str | None:
    return context.environment.app.database_service if context.environment.app else None


def _reaching(context: Context, tools: ClientTools) -> ClientTools:
    """Those on the host need to be told where a database is whose name only Docker knows."""
    target = context.database.target
    if not isinstance(tools.place, Installed):
        return tools
    address = database_container.seen_from_host(context.host, context.environment.app, target)
    return tools if address == (target.host, target.port) else replace(tools, place=Installed(address))


def _in_docker(context: Context) -> Place:
    environment, host, target = context.environment, context.host, context.database.target
    service = _service(context)
    if environment.app is None or service is None:
        raise ConfigurationError(
            f"client = {environment.client!r} needs to know which service of Docker Compose the database is.",
            hint="Name it as database_service under [app].",
        )
    container = database_container.find(host, environment.app, service)
    port = container.port_for(target)
    if port is None:
        raise ConfigurationError(
            f"The database URL leads to {target.host}:{target.port}, and that is not service {service!r}: it is known"
            f" as {', '.join(sorted(container.names))}, and publishes {_ports(container)}.",
            hint="Correct the URL or database_service; or have the tools on the host, with client = 'installed'.",
        )
    user, lock = client_places.account(host), state_directory(environment)
    if environment.client != "container":
        return Sidecar(container, port, user, environment.backup_dir, lock)
    inside = container.inside(environment.backup_dir)
    if inside is None:
        raise ConfigurationError(
            f"client = 'container' needs {environment.backup_dir} inside the container of service {service!r}, and it"
            " is not mounted there (writable).",
            hint="Add it to the service's volumes, or set client = 'sidecar', which mounts it by itself.",
        )
    return Inside(container, port, user, environment.backup_dir, lock, inside)


def _ports(container: DatabaseContainer) -> str:
    return ", ".join(f"port {port}" for port in sorted(container.published)) or "no port"
