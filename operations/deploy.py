"""Deploy: every step from the folder to a database that is checked again, with a way back at each."""

from __future__ import annotations

from operations.context import Context
from operations.migrating import migrate
from operations.outcome import DeployResult
from operations.settings import Strategy


def deploy(
    context: Context,
    *,
    strategy: Strategy | None = None,
    ref: str | None = None,
    dry_run: bool = False,
    approved: str | None = None,
) -> DeployResult:
    """Bring the environment's database to what the migrations folder says, and its application to the same version.

    ``ref``: the branch, tag or commit to check out for it; without it the files are taken as they are. ``dry_run``
    plans and changes nothing (outcome ``planned``). ``approved``: digest of the only plan that may be performed,
    compared under the lock; for another one ``RequestChanged`` is raised, and nothing is done. Raises any
    ``LocktenderError``; once a run has begun, its ``details["result"]`` is the ``DeployResult`` that says how it ended.
    """
    return migrate(context, "deploy", strategy=strategy, ref=ref, dry_run=dry_run, approved=approved)
