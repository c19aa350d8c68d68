"""What a terminal or a script gets to see: one JSON object, or text; errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from operations.errors import ExitCode, LocktenderError
from operations.secret import Secret, redact

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MEANING = {
    ExitCode.FAILED_OLD_STATE: "failed; the old state stands",
    ExitCode.NEEDS_ATTENTION: "a person is needed",
    ExitCode.REFUSED: "refused; nothing was touched",
}
PIPE_WIDTH = 160
"""Columns where nobody watches: wide enough that names are not folded."""


@dataclass(frozen=True)
class Answer:
    """What a verb came to. ``result`` becomes JSON; ``view`` gives the same for people, and is only called for them."""

    result: object
    view: Callable[[], Iterable[str | RenderableType]]
    exit_code: ExitCode = ExitCode.DONE
    error: LocktenderError | None = None
    """Where something failed and there is nevertheless a result to show."""
    successor: tuple[str, ...] = ()
    """A program and its arguments that this process is to become once everything is said."""


def as_json(value: Any) -> Any:
    """A result as JSON's own types: dataclasses by their fields, seconds rounded to a thousandth, no secret ever."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
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


def print_json(told: Mapping[str, Any]) -> None:
    """On stdout, in one line."""
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_view(parts: Iterable[str | RenderableType], color: bool | None) -> None:
    """On stdout. Plain lines never load rich."""
    console: Console | None = None
    for part in parts:
        if isinstance(part, str):
            click.echo(part, color=color)
            continue
        console = console or _console(color)
        console.print(part)
    sys.stdout.flush()


def _console(color: bool | None) -> Console:
    from rich.console import Console

    return Console(
        no_color=True if color is False else None,
        markup=False,
        emoji=False,
        highlight=False,
        width=None if sys.stdout.isatty() else PIPE_WIDTH,
    )


def print_error(error: LocktenderError, exit_code: ExitCode, color: bool | None) -> None:
    """What happened and why, what to do next, and what it is called, on stderr."""
    first, *rest = error.message.splitlines() or [error.code]
    lines = [click.style("error: ", fg="red", bold=True) + click.style(first, bold=True), *rest]
    for told in error.details.get("logs", ()):
        lines += [click.style(f"  | {line}", dim=True) for line in str(told).splitlines()]
    if error.hint:
        lines.append(click.style("next: ", fg="cyan", bold=True) + error.hint)
    names = ", ".join(filter(None, (error.code, error.prisma_code)))
    meaning = f", {MEANING[exit_code]}" if exit_code in MEANING else ""
    lines.append(click.style(f"[{names}; exit {int(exit_code)}{meaning}]", dim=True))
    click.echo("\n".join(lines), err=True, color=color)


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
