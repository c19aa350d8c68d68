"""Does the application answer as its users want it to?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.containers import OUT
from operations.checks.model import Check
from operations.context import Context
from operations.release.release import machines_of
from operations.release.watching import answers


def look(context: Context) -> Iterator[Check]:
    """``health_url`` on every machine; nothing where there is none."""
    app = context.environment.app
    for machine in machines_of(context, app) if app and app.health_url else ():
        if answers(context, machine):
            yield Check("app", "ok", f"{machine.app.health_url} answers on {machine.name}", subject=machine.name)
        else:
            yield Check(
                "app",
                "fail",
                f"{machine.app.health_url} does not answer with 2xx on {machine.name}",
                OUT,
                "Look at the containers' logs; is the port the one that the Compose file publishes?",
                subject=machine.name,
            )
