"""Was the schema changed outside of migrations since the last deploy?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.schema_record import RESTATED, drift

WHY = (
    "The next migration meets another schema than the one it was tried on, and a database built from the folder would "
    "be another one."
)


def look(probe: Probe) -> Iterator[Check]:
    """The catalog now against the one recorded when the last run that changed it had ended."""
    found = drift(probe.context, probe.session)
    differences = found.differences
    if not differences and found.unread:
        again = f"Look again when less is going on: {probe.context.command} check"
        yield Check("drift", "warn", found.told, WHY, again, value=0)
        return
    if not differences:
        yield Check("drift", "ok", found.told, value=0)
        return
    more = f"; the first {RESTATED} as SQL" if len(differences) > RESTATED else ""
    yield Check(
        "drift",
        "warn",
        f"{found.told}: {listed(str(difference) for difference in differences)}{more}",
        WHY,
        f"Undo it by hand; or write it as a migration and record that: {probe.context.command} resolve NAME --applied",
        value=len(differences),
        ddl=found.ddl,
    )
