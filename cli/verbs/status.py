"""``locktender status``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from operations.errors import ExitCode

if TYPE_CHECKING:
    from operations.context import Context
    from operations.status import StatusResult

EXAMPLE = """
locktender status
locktender status --json | jq .result.pending
"""
SECTIONS = (
    ("failed", "red", "started, and neither finished nor rolled back: nothing is deployed until it is resolved"),
    ("edited", "red", "applied, but the file is another one now"),
    ("missing", "yellow", "applied, but no longer in the folder"),
    ("out_of_order", "yellow", "pending, though later ones are applied already"),
    ("pending", "yellow", "in the folder, and not applied"),
)
STATES = {
    "old": "the database is in the state before it",
    "new": "the database is in the state after it",
    "between": "the database is between the state before it and the one after it",
    "unknown": "a part of it may be in the database, of which the history tells nothing; the next run looks",
}


@verb("status", EXAMPLE)
def command(desk: Desk) -> Answer:
    """Show which migrations are applied, pending, failed, edited, missing or out of order.

    Changes nothing and takes no lock. Exit 0: nothing is pending and nothing is wrong; 1: something is.
    """
    context = desk.context()

    from operations.status import status

    found = status(context)
    return Answer(found, lambda: view(context, found), ExitCode.DONE if found.ok else ExitCode.NO)


def view(context: Context, found: StatusResult) -> Iterator[str]:
    """One line of numbers, then every migration that wants attention; no table, so that nothing slow is loaded."""
    yield f"{context.database.target} ({context.environment.name}, {found.format})"
    counts = [f"{len(found.applied)} applied"]
    counts += [
        f"{len(getattr(found, name))} {name.replace('_', ' ')}" for name, _, _ in SECTIONS if getattr(found, name)
    ]
    yield ", ".join(counts) + (click.style(": up to date", fg="green") if found.ok else "")
    if found.last_run:
        last = found.last_run
        yield f"last run: {last.operation} {last.run_id}, {last.outcome.replace('_', ' ')}; {STATES[last.state]}"
    for name, colour, meaning in SECTIONS:
        if getattr(found, name):
            yield ""
            yield click.style(name.replace("_", " "), fg=colour, bold=True) + f": {meaning}"
            yield from (f"  {migration}" for migration in getattr(found, name))
    if found.interrupted:
        yield ""
        yield click.style("interrupted", fg="red", bold=True) + ": runs that died and are not settled yet"
        yield from (f"  {run}" for run in found.interrupted)
    if found.warnings:
        yield ""
        yield from (f"note: {warning}" for warning in found.warnings)
