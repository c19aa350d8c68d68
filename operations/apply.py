"""Apply: the pending migrations and nothing else — lock, restore point, apply."""

from __future__ import annotations

from operations.context import Context
from operations.migrating import migrate
from operations.outcome import DeployResult


def apply(
    context: Context,
    *,
    to: str | None = None,
    baseline: str | None = None,
    dry_run: bool = False,
    approved: str | None = None,
) -> DeployResult:
    """Apply pending migrations, up to and with ``to``.

    ``baseline`` first records all migrations up to and with that one as applied, for a database that already is what
    they make of it. ``dry_run`` plans and changes nothing. ``approved`` and errors as with ``deploy``.
    """
    return migrate(context, "apply", to=to, baseline=baseline, dry_run=dry_run, approved=approved)
