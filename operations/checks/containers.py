"""Do the containers of the application run?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check
from operations.context import Context
from operations.errors import CommandTimedOut
from operations.release.machine import Machine
from operations.release.model import condition
from operations.release.release import machines_of

OUT = "Nobody can use the application as it is."
UNKNOWN = "Whether the application's containers run is not known."
PATIENCE = 5.0
"""Seconds that a look gives Docker for an answer."""


def look(context: Context) -> Iterator[Check]:
    """On every machine; nothing where no application is configured."""
    app = context.environment.app
    for machine in machines_of(context, app) if app else ():
        try:
            states = machine.states(timeout=PATIENCE)
        except CommandTimedOut:
            yield unanswered("containers", machine.name, UNKNOWN)
            continue
        found, reason = condition(states, machine.app.services)
        if found == "well":
            yield Check("containers", "ok", f"{len(states)} up on {machine.name}", subject=machine.name)
        else:
            yield Check("containers", "fail", f"on {machine.name}: {reason}", OUT, logs(machine), subject=machine.name)


def unanswered(name: str, machine: str, why: str) -> Check:
    """That Docker on a machine took too long to answer a look: it may only be busy."""
    detail = f"Docker on {machine} did not answer within {PATIENCE:.0f} s"
    fix = f"time docker ps, on {machine}; if it stays slow: uptime, journalctl --unit docker --since -1h."
    return Check(name, "warn", detail, why, fix, subject=machine)


def logs(machine: Machine) -> str:
    """The command that shows what they said last."""
    return f"docker compose --project-directory {machine.app.directory} logs --tail 50, on {machine.name}."
