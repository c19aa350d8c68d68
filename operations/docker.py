"""Docker on the host: what it answers, and why it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from operations.errors import CommandFailed, DockerUnreachable, DockerUnusable, LocktenderError, ProgramUnusable
from operations.ports import Completed, Host

TIMEOUT = 30.0
SHOWN_LINES = 15
NOT_FOUND = 127
OWN_FAILURE = 125
"""What ``docker run`` ends with when it is not the program that failed."""
MISSING_COMPOSE = re.compile(
    r"'compose' is not a docker command|unknown command: docker compose|unknown flag: --project-directory"
)
NO_RIGHT = re.compile(r"permission denied while trying to connect")
NO_DAEMON = re.compile(r"cannot connect to the docker daemon|failed to connect to the docker api", re.IGNORECASE)


def ask(
    host: Host, argv: Sequence[str], *, timeout: float = TIMEOUT, on_line: Callable[[str], None] | None = None
) -> str:
    """What a ``docker`` command prints; ``on_line`` is told each line of its stderr.

    Raises ``DockerUnusable`` where it is not installed or this account may not use it, ``DockerUnreachable`` where its
    daemon does not answer, ``CommandFailed`` for whatever else it says.
    """
    try:
        completed = host.run(argv, timeout=timeout, on_line=on_line)
    except ProgramUnusable as error:
        raise _cannot_run(error.message) from error
    if completed.returncode:
        raise trouble(completed)
    return completed.stdout


def is_dockers_own(completed: Completed) -> bool:
    """Whether it was Docker that failed, and not the program that it was to run. Pure."""
    told = completed.stderr
    says = told.startswith("Error response from daemon") or NO_RIGHT.search(told) or NO_DAEMON.search(told)
    return completed.returncode == OWN_FAILURE or bool(completed.returncode and says)


def trouble(completed: Completed) -> LocktenderError:
    """Why a ``docker`` command failed, as the error to be raised. Pure."""
    told = completed.stderr.strip()
    if completed.returncode == NOT_FOUND and "docker" in told:
        return _cannot_run(told.splitlines()[-1])
    if MISSING_COMPOSE.search(told):
        return DockerUnusable(
            "Docker has no Compose v2 (the command docker compose); docker-compose, its version 1, does not do.",
            hint="Install the plugin, which Docker's own packages call docker-compose-plugin:"
            " https://docs.docker.com/compose/install/linux/",
        )
    if NO_RIGHT.search(told):
        return DockerUnusable(
            f"This account may not use Docker: {told.splitlines()[-1]}",
            hint="As root: usermod -aG docker ACCOUNT; it holds from the next login on. Who may use Docker is as good"
            " as root.",
        )
    if NO_DAEMON.search(told):
        return DockerUnreachable(
            f"Docker does not answer: {told.splitlines()[-1]}",
            hint="systemctl start docker; then docker version must show a server.",
        )
    lines = [line for line in told.splitlines() if line.strip() and "level=warning" not in line]
    why = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")
    return CommandFailed(
        f"{' '.join(completed.argv[:2])} failed: {why or f'exit status {completed.returncode}'}",
        details={"logs": ["\n".join(lines[-SHOWN_LINES:])]} if len(lines) > 1 else {},
    )


def _cannot_run(why: str) -> DockerUnusable:
    return DockerUnusable(
        f"Docker cannot be used here: {why}",
        hint="docker version, typed by the same account, must show a client and a server. How to install it with"
        " Compose: https://docs.docker.com/engine/install/",
    )
