"""Does the server still get fixes?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe

OLDEST = 14
"""What PostgreSQL itself still maintains; tested are 15 and 18."""


def look(probe: Probe) -> Iterator[Check]:
    """Its major version."""
    version = probe.session.server_version
    major = version // 10000
    if major >= OLDEST:
        yield Check("server_version", "ok", f"PostgreSQL {major}.{version % 10000}", value=major)
        return
    yield Check(
        "server_version",
        "fail",
        f"PostgreSQL {major}",
        f"Versions before {OLDEST} get no fixes any more and are not supported here.",
        "Upgrade the server.",
        value=major,
    )
