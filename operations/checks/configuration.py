"""Is anything configured that has no effect?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check
from operations.context import Context
from operations.supported import not_acted_on


def look(context: Context) -> Iterator[Check]:
    """Sections that this version reads, but cannot act on in a health check."""
    idle = not_acted_on(context.environment)
    if idle:
        yield Check(
            "configuration",
            "warn",
            f"not looked at yet: {', '.join(idle)}",
            "This version cannot send alerts.",
            "Ask and tell people by other means until then.",
        )
    else:
        yield Check("configuration", "ok", f"environment {context.environment.name}")
