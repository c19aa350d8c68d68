"""Is the database there, is the way to it private, and is it one that can be written to?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe
from operations.context import Context


def look(probe: Probe) -> Iterator[Check]:
    """Latency, encryption, and whether this is a standby."""
    target, clock = probe.context.database.target, probe.context.clock
    with probe.reading() as session:
        began = clock.now()
        (standby,) = session.rows("SELECT pg_is_in_recovery()")[0]
        latency = clock.now() - began
        encrypted = session.rows("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")
    way = encrypted[0][0] if encrypted else "not encrypted"
    detail = f"{target} answers in {latency * 1000:.1f} ms, {way}"
    if standby:
        yield Check(
            "connection",
            "fail",
            f"{target} is a standby",
            "Nothing can be written to a standby.",
            "Use the primary's address in the database URL.",
        )
    elif not encrypted and not _stays_here(probe.context):
        yield Check(
            "connection",
            "warn",
            detail,
            "Passwords' proofs and all data cross the network readable.",
            "Add ?sslmode=verify-full (or at least require) to the database URL.",
        )
    elif latency > probe.limits.latency:
        yield Check(
            "connection",
            "warn",
            detail,
            "Each statement waits that long, and a deploy has hundreds.",
            "Run Locktender nearer to the database.",
            value=latency,
        )
    else:
        yield Check("connection", "ok", detail, value=latency)


def _stays_here(context: Context) -> bool:
    """Whether nothing crosses a network: a service's own name is known only where its container runs."""
    host, app = context.database.target.host, context.environment.app
    if app and host == app.database_service:
        return True
    return host in ("localhost", "::1") or host.startswith(("/", "127."))
