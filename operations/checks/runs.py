"""Did all runs come to an end?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, listed
from operations.context import Context
from operations.lock import at_work
from operations.settling import unfinished


def look(context: Context) -> Iterator[Check]:
    """A run at work, or runs that died."""
    owner = at_work(context)
    if owner:
        yield Check("runs", "ok", f"{owner.operation} (run {owner.run_id}) is at work")
        return
    dead = unfinished(context)
    if not dead:
        yield Check("runs", "ok", "all came to an end")
        return
    yield Check(
        "runs",
        "fail",
        f"died before its end: {listed(f'{run.run_id} ({run.operation})' for run in dead)}",
        "What it had begun is neither finished nor undone yet.",
        f"{context.command} deploy settles it before it does anything else",
    )
