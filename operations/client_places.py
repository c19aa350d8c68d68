"""Where PostgreSQL's client tools run: on the host, in a sidecar of the database's image, in its own container.

Backups never leave the host in any of them. Who lets a tool connect holds the environment's lock: so what a dead run
left running can be told, and is ended by ``end_orphans``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from operations.commands import docker
from operations.context import Context
from operations.database_container import DatabaseContainer, find
from operations.docker import ask, is_dockers_own, trouble
from operations.errors import DockerUnusable, LocktenderError
from operations.layout import state_directory
from operations.ports import Completed, Host, Target

LOOPBACK = "127.0.0.1"
FILES = ("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGPASSFILE")
"""Variables of libpq's that name files."""
ACCOUNT = ["sh", "-c", 'echo "$(id -u):$(id -g)"']


class Call(Struct, frozen=True):
    """A command for the host; ``ending`` is the one that ends what it may leave running."""

    argv: list[str]
    env: Mapping[str, str]
    ending: list[str] | None = None


class Place(Protocol):
    """Somewhere to run a client tool. Pure: what has to be typed for it."""

    def seen(self, target: Target) -> Target:
        """Where the database is from there."""
        ...

    def call(self, argv: Sequence[str], env: Mapping[str, str], connects: bool) -> Call:
        """``argv`` there; ``connects``: to the database, under the environment's lock."""
        ...


class Installed(Struct, frozen=True):
    """On the host. ``address`` is where that finds the database, if not where the URL says."""

    address: tuple[str, int] | None = None

    def __str__(self) -> str:
        return "installed on the host"

    def seen(self, target: Target) -> Target:
        """With the container's address, where the URL has a name that only Docker knows."""
        return replace(target, hostaddr=self.address[0], port=self.address[1]) if self.address else target

    def call(self, argv: Sequence[str], env: Mapping[str, str], connects: bool) -> Call:  # noqa: ARG002
        """As it is: the host itself ends what it has started."""
        return Call(list(argv), env)


class InDocker(Struct, frozen=True):
    """What sidecars and the database's own container have in common. ``port`` is the database's, inside.

    ``user`` is the ``uid:gid`` that what is written shall belong to, ``lock`` what marks the tools of this environment.
    """

    container: DatabaseContainer
    port: int
    user: str
    backup_dir: str
    lock: str

    def seen(self, target: Target) -> Target:
        """The database's own network is there."""
        return replace(target, hostaddr=LOOPBACK, port=self.port)


class Sidecar(InDocker, frozen=True):
    """A container of the database's image for each call, in the network of the database's own where it connects.

    The backup directory is mounted under its own path, for calls that name it, and nothing else of the host.
    """

    def __str__(self) -> str:
        return f"in a sidecar of {self.container.image_name}"

    def call(self, argv: Sequence[str], env: Mapping[str, str], connects: bool) -> Call:
        """Once it is removed by its name, nothing of it runs any more."""
        name = f"locktender-{secrets.token_hex(8)}"
        backups = [(self.backup_dir, True)] if relocated(argv, self.backup_dir, "") != list(argv) else []
        sidecar = docker.sidecar(
            self.container.image,
            argv,
            name=name,
            user=self.user,
            network=f"container:{self.container.id}" if connects else "none",
            mounts=backups + [(env[key], False) for key in FILES if env.get(key, "").startswith("/")],
            variables=env,
            labels=[(docker.LOCK_LABEL, self.lock)] if connects else [],
        )
        return Call(sidecar, env, docker.remove([name]))


class Inside(InDocker, frozen=True):
    """In the database's own container, which knows the backup directory as ``inside``."""

    inside: str

    def __str__(self) -> str:
        return f"in the database's own container ({self.container.image_name})"

    def call(self, argv: Sequence[str], env: Mapping[str, str], connects: bool) -> Call:
        """Docker lets it go on when the command is killed: it is found again by its mark."""
        mark = self.lock if connects else f"{self.lock}#{secrets.token_hex(8)}"
        marked = {**env, docker.LOCK_VARIABLE: mark}
        moved = relocated(argv, self.backup_dir, self.inside)
        return Call(
            docker.execute(self.container.id, moved, user=self.user, variables=marked),
            marked,
            docker.end_marked(self.container.id, mark, user=self.user),
        )


def run(
    host: Host,
    place: Place,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    connects: bool = False,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """As ``Host.run``; however it ends, nothing runs any more, unless the host itself cannot be reached.

    Raises as ``docker.ask`` does where Docker fails, and not the tool.
    """
    call, completed = place.call(argv, env, connects), None
    try:
        completed = host.run(call.argv, env=call.env, timeout=timeout, on_line=on_line)
    finally:
        if call.ending and (completed is None or completed.returncode):
            with suppress(LocktenderError):
                ask(host, call.ending)
    if call.ending and is_dockers_own(completed):
        raise trouble(completed)
    return completed


def relocated(argv: Sequence[str], directory: str, to: str) -> list[str]:
    """``argv`` with every path below ``directory``, be it an option's value, moved below ``to``. Pure."""
    return [_relocated(word, directory, to) for word in argv]


def end_orphans(context: Context) -> None:
    """End the tools of dead runs that still have the database in hand; the caller holds the environment's lock.

    Nothing is raised: where Docker does not answer, nothing can be run there anyway, and that is told then. The log has
    it, and what goes on all the same.
    """
    environment, host = context.environment, context.host
    app, lock = environment.app, state_directory(environment)
    if app is None or app.database_service is None or environment.client == "installed":
        return
    try:
        if environment.client == "container":
            container = find(host, app, app.database_service)
            ask(host, docker.end_marked(container.id, lock, user=account(host)))
        elif ids := ask(host, docker.labelled(docker.LOCK_LABEL, lock)).split():
            ask(host, docker.remove(ids))
    except LocktenderError as error:
        context.log("orphans_trouble", {"trouble": error.message})


def account(host: Host) -> str:
    """``uid:gid`` inside a container of what belongs to this account outside.

    Raises ``DockerUnusable`` where Docker is set up so that there is none.
    """
    options = json.loads(ask(host, docker.security_options())) or []
    if any("name=rootless" in option for option in options):
        return "0:0"
    if any("name=userns" in option for option in options):
        raise DockerUnusable(
            "Docker runs with userns-remap: files that a container writes could not belong to this account.",
            hint='Install PostgreSQL\'s client tools on the host, and set client = "installed".',
        )
    return host.run(ACCOUNT, timeout=20).stdout.strip()


def _relocated(word: str, directory: str, to: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if value == directory or value.startswith(f"{directory}/"):
        return f"{option}{equals}{to}{value[len(directory) :]}"
    return word
