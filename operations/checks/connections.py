"""Will the server's connections run out?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe

USED = "SELECT (SELECT count(*) FROM pg_stat_activity), current_setting('max_connections')::int"


def look(probe: Probe) -> Iterator[Check]:
    """How many are in use, of how many."""
    with probe.reading() as session:
        ((used, most),) = session.rows(USED)
    if used * 100 <= probe.limits.connections * most:
        yield Check("connections", "ok", f"{used} of {most} in use", value=used / most)
        return
    yield Check(
        "connections",
        "warn",
        f"{used} of {most} in use",
        "A deploy needs a handful itself, and the application gets none when they run out.",
        "Lower connection_limit in the application's database URL, or raise max_connections.",
        value=used / most,
    )
