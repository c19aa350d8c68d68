"""Is the connection one to PostgreSQL itself?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe
from operations.errors import PoolerInBetween
from operations.pooler import refuse_pooler


def look(probe: Probe) -> Iterator[Check]:
    """A pooler that shares sessions between clients is refused by every verb that writes."""
    try:
        refuse_pooler(probe.context)
    except PoolerInBetween as found:
        yield Check(
            "pooler",
            "fail",
            found.message,
            "Deploys, backups and restores refuse to run over it.",
            found.hint or "Use the URL of PostgreSQL itself.",
        )
    else:
        yield Check("pooler", "ok", "every connection keeps its server session")
