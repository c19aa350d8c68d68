"""Do the server and the client tools fit together?"""

from __future__ import annotations

from collections.abc import Iterator

from operations import client_tools
from operations.checks.model import Check, Probe
from operations.errors import LocktenderError

OLDEST = 14
"""What PostgreSQL itself still maintains; tested are 15 and 18."""


def look(probe: Probe) -> Iterator[Check]:
    """The server's version, then pg_dump and pg_restore of the same major version."""
    version = probe.session.server_version
    major = version // 10000
    if major < OLDEST:
        yield Check(
            "server_version",
            "fail",
            f"PostgreSQL {major}",
            f"Versions before {OLDEST} get no fixes any more and are not supported here.",
            "Upgrade the server.",
        )
    else:
        yield Check("server_version", "ok", f"PostgreSQL {major}.{version % 10000}")
    try:
        tools = client_tools.find(probe.context, version)
    except LocktenderError as missing:
        yield Check(
            "client_tools",
            "fail",
            missing.message,
            "Without them no backup can be made, so nothing can be deployed safely.",
            missing.hint or f"apt install postgresql-client-{major}",
        )
    else:
        yield Check("client_tools", "ok", str(tools))
