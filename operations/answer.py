"""Every front door's answer as JSON, in the one shape that scripts rely on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from typing import Any

from msgspec import Struct

from operations.errors import ExitCode, LocktenderError
from operations.secret import Secret, redact


def as_json(value: Any) -> Any:
    """A result as JSON's own types: structs by their fields, seconds rounded to a thousandth, no secret ever."""
    if isinstance(value, Struct):
        return {name: as_json(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return round(value, 3)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(as_json(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def envelope(
    command: str, environment: str, result: object, error: LocktenderError | None, exit_code: ExitCode
) -> dict[str, Any]:
    """The one object that ``--json`` prints."""
    return {
        "ok": exit_code == ExitCode.DONE,
        "command": command,
        "environment": environment,
        "result": as_json(result),
        "error": _error_object(error) if error else None,
    }


def _error_object(error: LocktenderError) -> dict[str, Any]:
    told: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint or ""}
    if error.prisma_code:
        told["prisma_code"] = error.prisma_code
    if error.details:
        told["details"] = as_json(error.details)
    return told


def redacted(error: LocktenderError, secrets: Iterable[Secret]) -> LocktenderError:
    """The same error without the secrets, should one have slipped into a text of it."""
    kept = tuple(secrets)

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return redact(value, kept)
        if isinstance(value, dict):
            return {key: hide(item) for key, item in value.items()}
        return [hide(item) for item in value] if isinstance(value, list) else value

    error.message, error.hint, error.details = hide(error.message), hide(error.hint), hide(as_json(error.details))
    return error
