"""Which sections of a configuration this version can act on. None is ever silently ignored."""

from __future__ import annotations

from operations.settings import Environment


def not_acted_on(environment: Environment) -> tuple[str, ...]:
    """Sections that are there without effect yet, for ``check`` to say so."""
    return ("alerts",) if environment.alerts.webhooks else ()
