"""Do TLS certificates run out?"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from operations.checks.model import Check
from operations.context import Context
from operations.measures import age_text
from operations.ports import Certificates
from operations.release.release import machines_of

TIMEOUT = 5.0


def look(context: Context) -> Iterator[Check]:
    """The database server's, where its connection is encrypted, and that of an https ``health_url``."""
    if context.certificates is None:
        return
    for name, told, ends in _ends(context, context.certificates):
        yield judged(context, name, told, ends - context.clock.now())


def judged(context: Context, name: str, told: str, left: float) -> Check:
    """``left``: seconds for which it is still valid."""
    limit = context.environment.checks.certificate
    if left >= limit:
        return Check("certificates", "ok", f"{told}: {age_text(left)} left", value=left, subject=told)
    detail = f"{told}: ran out {age_text(-left)} ago" if left < 0 else f"{told}: runs out in {age_text(left)}"
    why = "Afterwards everyone who checks it refuses to connect."
    fix = f"Renew it; openssl s_client -connect {name} shows it."
    return Check("certificates", "fail" if left < limit / 3 else "warn", detail, why, fix, left, told)


def _ends(context: Context, certificates: Certificates) -> Iterator[tuple[str, str, float]]:
    """Address as one types it, whose it is, and when it ends."""
    target, address = context.database.target, context.database.address()
    ends = certificates.end(target.host, address, TIMEOUT, postgres=True) if address else None
    if ends is not None:
        yield f"{target.host}:{target.port} -starttls postgres", "database server", ends
    app = context.environment.app
    parts = urlsplit(app.health_url or "") if app else None
    if app is None or parts is None or parts.scheme != "https":
        return
    name, port = parts.hostname or "", parts.port or 443
    for machine in machines_of(context, app):
        ends = certificates.end(name, machine.host.reach(name, port), TIMEOUT, postgres=False)
        if ends is not None:
            yield f"{name}:{port}", f"{name} on {machine.name}", ends
