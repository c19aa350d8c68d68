"""Did a run die and leave a database behind?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.layout import scratch_prefix
from operations.lock import at_work

SCRATCH = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY datname"


def look(probe: Probe) -> Iterator[Check]:
    """Scratch databases that no run at work can be using."""
    context = probe.context
    with probe.reading() as session:
        found = session.rows(SCRATCH, (scratch_prefix(context.environment, context.database.target.database),))
    if not found or at_work(context):
        yield Check("scratch_databases", "ok", "none")
        return
    yield Check(
        "scratch_databases",
        "warn",
        listed(name for (name,) in found),
        "A run died while it used them.",
        "The next deploy, backup or restore drops them.",
    )
