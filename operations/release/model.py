"""A version of the application, and how its containers are. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, to_builtins

Condition = Literal["well", "waiting", "failed"]
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
ENDED = ("exited", "dead", "removing")
UP = ("running", "restarting", "paused")
"""What nobody has stopped, well or not."""


class Service(Struct, frozen=True):
    """One service as it is on a machine. ``image`` is the name its container was made from, ``image_id`` the image.

    One that is not ``running`` has a container all the same.
    """

    service: str
    image: str
    image_id: str
    running: bool


class Version(Struct, frozen=True):
    """What a machine runs; ``machine`` is its ``key``.

    ``commit`` of its checkout; ``None`` where that is no git repository, or is not moved.
    """

    machine: str
    commit: str | None
    services: tuple[Service, ...]

    @property
    def running(self) -> tuple[str, ...]:
        """The services that run."""
        return tuple(service.service for service in self.services if service.running)

    @property
    def present(self) -> tuple[str, ...]:
        """The services that have a container, running or not."""
        return tuple(service.service for service in self.services)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        told: dict[str, Any] = to_builtins(self)
        return told

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Version:
        """From the journal."""
        return cls(data["machine"], data["commit"], tuple(Service(**service) for service in data["services"]))


class PlannedRelease(Struct, frozen=True):
    """The version to come. ``commit`` is what ``ref`` meant; without them the files are taken as they are."""

    ref: str | None
    commit: str | None
    services: tuple[str, ...]
    machines: tuple[str, ...]
    wave: int


class ContainerState(Struct, frozen=True):
    """One container as ``docker inspect`` has it. ``health`` is ``None`` where it has no health check."""

    id: str
    service: str
    image: str
    image_id: str
    status: str
    health: str | None
    exit_code: int
    restarts: int


def containers(inspected: str) -> tuple[ContainerState, ...]:
    """Read what ``docker inspect`` printed; a container that somebody started besides, by ``run``, is none."""
    return tuple(
        ContainerState(
            id=one["Id"],
            service=one["Config"]["Labels"].get(SERVICE_LABEL, ""),
            image=one["Config"]["Image"],
            image_id=one["Image"],
            status=one["State"]["Status"],
            health=(one["State"].get("Health") or {}).get("Status"),
            exit_code=one["State"]["ExitCode"],
            restarts=one.get("RestartCount", 0),
        )
        for one in json.loads(inspected)
        if one["Config"]["Labels"].get(ONE_OFF_LABEL) != "True"
    )


def version(machine: str, commit: str | None, states: Sequence[ContainerState]) -> Version:
    """What runs there; of several containers of a service one that runs speaks for all."""
    chosen: dict[str, Service] = {}
    for state in sorted(states, key=lambda state: state.status in UP):
        running = state.status in UP or chosen.get(state.service, _NOT_RUNNING).running
        chosen[state.service] = Service(state.service, state.image, state.image_id, running)
    return Version(machine, commit, tuple(chosen[name] for name in sorted(chosen)))


def condition(states: Sequence[ContainerState], services: Sequence[str]) -> tuple[Condition, str]:
    """Whether all services are up, and if not, in a few words why.

    A container that has ended or is unhealthy will not get well by waiting.
    """
    for state in states:
        if state.status in ENDED:
            return "failed", f"{state.service} ended with exit code {state.exit_code}"
        if state.health == "unhealthy":
            return "failed", f"{state.service} is unhealthy, as its own health check says"
    waiting = list(_waiting(states, services))
    if waiting:
        return "waiting", "; ".join(waiting)
    return "well", "all containers are up"


def restarts(states: Sequence[ContainerState]) -> int:
    """How often Docker had to start these containers again."""
    return sum(state.restarts for state in states)


def waves(machines: Sequence[str], size: int) -> tuple[tuple[str, ...], ...]:
    """Machines in their order, so many at a time."""
    return tuple(tuple(machines[begin : begin + size]) for begin in range(0, len(machines), size))


def sources(config: str, services: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which services must be built and which fetched to have the images of ``services``.

    ``config`` is the project as ``docker compose config`` prints it. A service may run the image that another one
    builds: then it is that one which is built. Raises ``KeyError`` with the first service that the project lacks.
    """
    known = json.loads(config).get("services", {})
    missing = next((service for service in services if service not in known), None)
    if missing is not None:
        raise KeyError(missing)
    builders = {one["image"]: name for name, one in known.items() if one.get("build") and one.get("image")}
    wanted = {name: name if known[name].get("build") else builders.get(known[name].get("image")) for name in services}
    built = tuple(dict.fromkeys(builder for builder in wanted.values() if builder))
    return built, tuple(name for name, builder in wanted.items() if builder is None)


def _waiting(states: Sequence[ContainerState], services: Sequence[str]) -> Iterator[str]:
    present = {state.service for state in states}
    yield from (f"{service} has no container" for service in services if service not in present)
    for state in states:
        if state.status != "running":
            yield f"{state.service} is {state.status}"
        elif state.health not in (None, "healthy"):
            yield f"{state.service} is {state.health}"


_NOT_RUNNING = Service("", "", "", running=False)
