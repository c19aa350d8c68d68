"""Which databases were kept for an undo, and are they still wanted?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.kept import kept_databases
from operations.measures import size_text


def look(probe: Probe) -> Iterator[Check]:
    """The states before restores and rollbacks."""
    kept = kept_databases(probe.context)
    size = sum(each.bytes for each in kept)
    if not kept:
        yield Check("kept_databases", "ok", "none", value=0)
        return
    yield Check(
        "kept_databases",
        "warn",
        f"{listed(each.name for each in kept)}; {size_text(size)}",
        "They are the states before restores and rollbacks, for restore --undo; they take up room.",
        f"{probe.context.command} restore --prune 7d drops those older than a week",
        value=size,
    )
