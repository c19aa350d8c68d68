"""Do the containers of the application run?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check
from operations.context import Context
from operations.release.machine import Machine
from operations.release.model import condition
from operations.release.release import machines_of

OUT = "Nobody can use the application as it is."


def look(context: Context) -> Iterator[Check]:
    """On every machine; nothing where no application is configured."""
    app = context.environment.app
    for machine in machines_of(context, app) if app else ():
        states = machine.states()
        found, reason = condition(states, machine.app.services)
        if found == "well":
            yield Check("containers", "ok", f"{len(states)} up on {machine.name}", subject=machine.name)
        else:
            yield Check("containers", "fail", f"on {machine.name}: {reason}", OUT, logs(machine), subject=machine.name)


def logs(machine: Machine) -> str:
    """The command that shows what they said last."""
    return f"docker compose --project-directory {machine.app.directory} logs --tail 50, on {machine.name}."
