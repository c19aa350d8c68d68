"""Is anything configured that has no effect?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, listed
from operations.context import Context


def look(context: Context) -> Iterator[Check]:
    """Names of checks to be ignored or silenced that no check has."""
    from operations.health import NAMES, SERVER  # it knows us, too

    environment = context.environment
    unknown = sorted({*environment.checks.ignore, *environment.alerts.silence} - {*NAMES, SERVER, "*"})
    if not unknown:
        yield Check("configuration", "ok", f"environment {environment.name}")
        return
    yield Check(
        "configuration",
        "warn",
        f"no check is called {listed(unknown)}",
        "What was meant is neither ignored nor silenced.",
        f"Correct ignore and silence; {context.command} check shows the names.",
    )
