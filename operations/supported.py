"""Which sections of a configuration this version can act on. None is ever silently ignored."""

from __future__ import annotations

from operations.errors import ConfigurationError
from operations.settings import Environment


def refuse_unsupported(environment: Environment, operation: str) -> None:
    """Raise ``ConfigurationError`` if ``operation`` would have to ignore a section of this environment."""
    section = _unsupported(environment, operation)
    if section:
        raise ConfigurationError(
            f"[environments.{environment.name}.{section}] is not supported yet: {operation} would have to ignore it.",
            hint="Remove the section, or wait for a version that can: until then, nobody can approve.",
        )


def not_acted_on(environment: Environment) -> tuple[str, ...]:
    """Sections that are there without effect yet, for ``check`` to say so."""
    present = {
        "alerts": bool(environment.alerts.webhooks),
    }
    return tuple(name for name, is_present in present.items() if is_present)


def _unsupported(environment: Environment, operation: str) -> str | None:
    if operation in environment.approvals:
        return f"approvals.{operation}"
    return None
