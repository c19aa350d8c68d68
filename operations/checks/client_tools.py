"""Are there pg_dump and pg_restore that fit the server?"""

from __future__ import annotations

from collections.abc import Iterator

from operations import client_tools
from operations.checks.model import Check, Probe
from operations.errors import LocktenderError


def look(probe: Probe) -> Iterator[Check]:
    """Those of its major version."""
    version = probe.session.server_version
    try:
        tools = client_tools.find(probe.context, version)
    except LocktenderError as missing:
        yield Check(
            "client_tools",
            "fail",
            missing.message,
            "Without them no backup can be made, so nothing can be deployed safely.",
            missing.hint or f"apt install postgresql-client-{version // 10000}",
        )
    else:
        yield Check("client_tools", "ok", str(tools))
