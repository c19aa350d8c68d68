"""Has somebody prepared a transaction and forgotten it?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.quoting import literal

PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared"


def look(probe: Probe) -> Iterator[Check]:
    """Those of this database."""
    with probe.reading() as session:
        prepared = [gid for (gid,) in session.rows(PREPARED)]
    if not prepared:
        yield Check("prepared_transactions", "ok", "none", value=0)
        return
    yield Check(
        "prepared_transactions",
        "warn",
        listed(prepared),
        "They hold their locks across restarts, and a database with one cannot be renamed.",
        f"COMMIT PREPARED {literal(prepared[0])}; or ROLLBACK PREPARED {literal(prepared[0])};",
        value=len(prepared),
    )
