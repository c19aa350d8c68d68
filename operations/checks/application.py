"""Is the application up: its containers, and what its users see?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check
from operations.context import Context
from operations.release.machine import Machine
from operations.release.model import condition
from operations.release.release import machines_of
from operations.release.watching import answers

OUT = "Nobody can use the application as it is."


def look(context: Context) -> Iterator[Check]:
    """On every machine; nothing where no application is configured."""
    app = context.environment.app
    for machine in machines_of(context, app) if app else ():
        yield _containers(machine)
        if machine.app.health_url:
            yield _answer(context, machine)


def _containers(machine: Machine) -> Check:
    states = machine.states()
    found, reason = condition(states, machine.app.services)
    if found == "well":
        return Check("containers", "ok", f"{len(states)} up on {machine.name}")
    return Check(
        "containers",
        "fail",
        f"on {machine.name}: {reason}",
        OUT,
        f"docker compose --project-directory {machine.app.directory} logs --tail 50, on {machine.name}.",
    )


def _answer(context: Context, machine: Machine) -> Check:
    if answers(context, machine):
        return Check("app", "ok", f"{machine.app.health_url} answers on {machine.name}")
    return Check(
        "app",
        "fail",
        f"{machine.app.health_url} does not answer with 2xx on {machine.name}",
        OUT,
        "Look at the containers' logs; is the port the one that the Compose file publishes?",
    )
