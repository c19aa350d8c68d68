"""Do containers keep dying and being started again?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.containers import PATIENCE, logs, unanswered
from operations.checks.model import Check
from operations.context import Context
from operations.errors import CommandTimedOut
from operations.monitoring.trends import DAY, trends
from operations.release.model import restarts
from operations.release.release import machines_of

UNKNOWN = "Whether containers keep dying is not known."


def look(context: Context) -> Iterator[Check]:
    """How often Docker had to restart them within a day, as far as ``monitor`` knows; else since they were made."""
    app = context.environment.app
    kept = trends(context) if app else {}
    for machine in machines_of(context, app) if app else ():
        try:
            total = restarts(machine.states(timeout=PATIENCE))
        except CommandTimedOut:
            yield unanswered("restarts", machine.name, UNKNOWN)
            continue
        known = kept.get(f"restarts {machine.name}", ())
        since = [value for at, value in known if at >= context.clock.now() - DAY]
        count = total - since[0] if since and since[0] <= total else total
        told = f"{count:.0f} on {machine.name} " + ("within a day" if since else "since they were made")
        if count < context.environment.checks.restarts:
            yield Check("restarts", "ok", told, value=total, subject=machine.name)
        else:
            why = "Each takes requests with it, and the cause has not gone away."
            yield Check("restarts", "warn", told, why, logs(machine), value=total, subject=machine.name)
