"""What a terminal or a script gets to see: one JSON object, or text; errors on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from cli.screen import cleaned
from operations.answer import as_json, envelope, redacted
from operations.errors import ExitCode, LocktenderError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Answer", "as_json", "envelope", "print_error", "print_json", "print_view", "redacted"]
MEANING = {
    ExitCode.FAILED_OLD_STATE: "failed; the old state stands",
    ExitCode.NEEDS_ATTENTION: "a person is needed",
    ExitCode.REFUSED: "refused; nothing was touched",
}
PIPE_WIDTH = 160
"""Columns where nobody watches: wide enough that names are not folded."""


class Answer(Struct, frozen=True):
    """What a verb came to. ``result`` becomes JSON; ``view`` gives the same for people, and is only called for them."""

    result: object
    view: Callable[[], Iterable[str | RenderableType]]
    exit_code: ExitCode = ExitCode.DONE
    error: LocktenderError | None = None
    """Where something failed and there is nevertheless a result to show."""
    successor: tuple[str, ...] = ()
    """A program and its arguments that this process is to become once everything is said."""


def print_json(told: Mapping[str, Any]) -> None:
    """On stdout, in one line."""
    import json  # help is shown without it

    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_view(parts: Iterable[str | RenderableType], color: bool | None) -> None:
    """On stdout. Plain lines never load rich."""
    console: Console | None = None
    for part in parts:
        if isinstance(part, str):
            click.echo(cleaned(part), color=color)
            continue
        console = console or _console(color)
        with console.capture() as captured:
            console.print(part)
        sys.stdout.write(cleaned(captured.get()))
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
    click.echo(cleaned("\n".join(lines)), err=True, color=color)
