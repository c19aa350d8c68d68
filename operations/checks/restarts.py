"""Do containers keep dying and being started again?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.containers import logs
from operations.checks.model import Check
from operations.context import Context
from operations.monitoring.trends import DAY, trend
from operations.release.model import restarts
from operations.release.release import machines_of


def look(context: Context) -> Iterator[Check]:
    """How often Docker had to restart them within a day, as far as ``monitor`` knows; else since they were made."""
    app = context.environment.app
    for machine in machines_of(context, app) if app else ():
        total = restarts(machine.states())
        known = trend(context, f"restarts {machine.name}")
        since = [value for at, value in known if at >= context.clock.now() - DAY]
        count = total - since[0] if since and since[0] <= total else total
        told = f"{count:.0f} on {machine.name} " + ("within a day" if since else "since they were made")
        if count < context.environment.checks.restarts:
            yield Check("restarts", "ok", told, value=total, subject=machine.name)
        else:
            why = "Each takes requests with it, and the cause has not gone away."
            yield Check("restarts", "warn", told, why, logs(machine), value=total, subject=machine.name)
