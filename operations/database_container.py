"""The database's own container, where it is a service of the application's Compose project, and the way to it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from msgspec import Struct

from operations.commands import compose, docker
from operations.docker import TIMEOUT, ask
from operations.errors import CommandFailed, ConfigurationError, DatabaseUnreachable
from operations.ports import Host, Target
from operations.settings import App

ONE_OFF = "com.docker.compose.oneoff"
SERVICE = "com.docker.compose.service"


class Mount(Struct, frozen=True):
    """A directory of the host (``source``) and where it is inside."""

    source: str
    inside: str
    writable: bool


class DatabaseContainer(Struct, frozen=True):
    """A running container as ``docker inspect`` tells of it."""

    id: str
    image: str
    """The image's id, which does not change when its name is given to another one."""
    image_name: str
    names: frozenset[str]
    """By which others in its networks know it."""
    addresses: tuple[str, ...]
    """In its networks; the host reaches them, other machines do not."""
    published: Mapping[int, int]
    """Ports of the host → its own ports."""
    mounts: tuple[Mount, ...]
    shares_host_network: bool

    def port_for(self, target: Target) -> int | None:
        """On which of its own ports ``target`` is; ``None`` if that is not in this container, as far as can be told."""
        if self.shares_host_network or target.host in self.names or target.host in self.addresses:
            return target.port
        return self.published.get(target.port)

    def outside(self, path: str) -> str | None:
        """Where the host has a path of the inside; ``None`` where the container keeps it to itself."""
        for mount in sorted(self.mounts, key=lambda mount: len(mount.inside), reverse=True):
            inside = mount.inside.rstrip("/")
            if path == inside or path.startswith(f"{inside}/"):
                return f"{mount.source.rstrip('/')}{path[len(inside) :]}"
        return None

    def inside(self, path: str) -> str | None:
        """What a path of the host is called inside; ``None`` if it cannot be written to there."""
        for mount in sorted(self.mounts, key=lambda mount: len(mount.source), reverse=True):
            source = mount.source.rstrip("/")
            if path == source or path.startswith(f"{source}/"):
                return f"{mount.inside.rstrip('/')}{path[len(source) :]}" if mount.writable else None
        return None


def find(host: Host, app: App, service: str, *, timeout: float = TIMEOUT) -> DatabaseContainer:
    """The one running container of a service; ``timeout``: seconds for each question.

    Raises ``DockerUnusable``, ``DockerUnreachable``, ``ConfigurationError`` (no such service or project), and
    ``DatabaseUnreachable`` where it is not running.
    """
    start = f"On the host: {shlex.join([*compose.base(app), 'up', '--detach', service])}"
    try:
        ids = ask(host, compose.container_ids(app, [service], all=True), timeout=timeout).split()
        inspected = json.loads(ask(host, docker.inspect(ids), timeout=timeout)) if ids else []
    except CommandFailed as error:
        raise ConfigurationError(
            f"Compose does not tell which container service {service!r} has: {error.message}",
            hint=f"directory, compose_file and database_service under [app] must name it; {app.directory} is searched.",
        ) from error
    found = [one for one in inspected if one["Config"]["Labels"].get(ONE_OFF) != "True"]
    running = [one for one in found if one["State"]["Status"] == "running"]
    if len(running) > 1:
        raise ConfigurationError(f"Service {service!r} has {len(running)} containers: which one is meant?")
    if not running:
        state = f"is {found[0]['State']['Status']}" if found else "has not been created"
        raise DatabaseUnreachable(
            f"The container of service {service!r} {state}, so that no database answers there.",
            hint=start,
            prisma_code="P1001",
        )
    return parsed(running[0])


def parsed(inspected: Mapping[str, Any]) -> DatabaseContainer:
    """One object of what ``docker inspect`` prints. Pure."""
    settings, labels = inspected["NetworkSettings"], inspected["Config"]["Labels"]
    networks = [network or {} for network in settings["Networks"].values()]
    given = (network.get(key) for key in ("IPAddress", "GlobalIPv6Address") for network in networks)
    aliases = (name for network in networks for key in ("Aliases", "DNSNames") for name in network.get(key) or ())
    return DatabaseContainer(
        id=inspected["Id"],
        image=inspected["Image"],
        image_name=inspected["Config"]["Image"],
        names=frozenset({inspected["Name"].removeprefix("/"), labels.get(SERVICE, ""), *aliases} - {""}),
        addresses=tuple(address for address in given if address),
        published=dict(_published(settings.get("Ports") or {})),
        mounts=tuple(Mount(one["Source"], one["Destination"], one["RW"]) for one in inspected["Mounts"]),
        shares_host_network=inspected["HostConfig"]["NetworkMode"] == "host",
    )


def seen_from_host(host: Host, app: App | None, target: Target) -> tuple[str, int]:
    """Where the host itself connects to reach ``target``: a container's address in place of a name that only Docker
    knows; anything else as it is.

    Raises what ``find`` raises.
    """
    if app is None or app.database_service is None or is_ordinary(target.host):
        return target.host, target.port
    container = find(host, app, app.database_service)
    if target.host not in container.names:
        return target.host, target.port
    if container.shares_host_network:
        return "127.0.0.1", target.port
    if not container.addresses:
        raise ConfigurationError(
            f"The container of service {app.database_service!r} has no address in any network.",
            hint="Attach it to one in the Compose file, or publish its port on 127.0.0.1.",
        )
    return container.addresses[0], target.port


def is_ordinary(name: str) -> bool:
    """Whether the host finds this by itself: a numeric address, itself, or a socket's directory."""
    return _address(name) is not None or is_here(name)


def is_here(name: str) -> bool:
    """Whether the host calls itself so, or it is a socket's directory."""
    address = _address(name)
    return address.is_loopback if address else name == "localhost" or name.startswith("/")


def _address(name: str) -> IPv4Address | IPv6Address | None:
    with suppress(ValueError):
        return ip_address(name)
    return None


def _published(ports: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    for inside, bindings in ports.items():
        port, _, protocol = inside.partition("/")
        for binding in bindings or ():
            if protocol == "tcp":
                yield int(binding["HostPort"]), int(port)
