"""Does the database's history say the same as the folder?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.status import status


def look(probe: Probe) -> Iterator[Check]:
    """Everything that ``status`` knows, as one finding: the worst that there is."""
    context, found = probe.context, status(probe.context)
    command = context.command
    if found.failed:
        yield Check(
            "migrations",
            "fail",
            f"failed: {listed(found.failed)}",
            "Nothing is deployed any more until that is settled (P3009).",
            f"{command} resolve {found.failed[0]} --rolled-back, or --applied, whichever is true",
        )
    elif found.edited and not context.environment.allow_edited:
        yield Check(
            "migrations",
            "fail",
            f"applied, but edited since: {listed(found.edited)}",
            "The file no longer tells how the database came to be; deploys refuse it.",
            "Bring the files back as they were (git log), or set allow_edited = true.",
        )
    elif found.missing:
        yield Check(
            "migrations",
            "warn",
            f"applied, but not in the folder: {listed(found.missing)}",
            "A database built from the folder would be another one.",
            "Bring the folders back from git, or deploy from the branch that has them.",
        )
    elif found.pending:
        late = f" ({listed(found.out_of_order)} landed late)" if found.out_of_order else ""
        yield Check(
            "migrations",
            "warn",
            f"pending: {listed(found.pending)}{late}",
            "The application may already expect them.",
            f"{command} deploy",
        )
    else:
        yield Check("migrations", "ok", f"{len(found.applied)} applied, none pending")
