"""Did a run die and leave a database behind?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.lock import at_work
from operations.scratch import scratch_databases, users


def look(probe: Probe) -> Iterator[Check]:
    """Scratch databases that no run at work can be using."""
    context = probe.context
    with probe.reading() as session:
        found = scratch_databases(context, session)
        used = {name for _, _, name in users(session, found)} if found else set()
    left = [name for name in found if name not in used]
    if not left or at_work(context):
        yield Check("scratch_databases", "ok", "none")
        return
    yield Check(
        "scratch_databases",
        "warn",
        listed(left),
        "A run died while it used them.",
        "The next deploy, backup or restore drops them.",
    )
