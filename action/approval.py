"""Operations that somebody else has to agree to first, where the configuration says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from action.job import Job
from operations import awaiting
from operations.approvals.model import Account, Operation
from operations.approvals.people import account
from operations.context import Context
from operations.errors import ApprovalMissing, UsageError
from operations.secret import Secret
from operations.settings_secrets import secrets_of_url

T = TypeVar("T")
LEDGER = "LOCKTENDER_LEDGER_URL"
REASON = "LOCKTENDER_REASON"


def approved(
    job: Job, context: Context, operation: Operation, arguments: Mapping[str, Any], otherwise: Callable[[], T]
) -> T:
    """The result, performed with an approval where one is wanted; without, and not frozen, by ``otherwise``.

    Raises ``ApprovalMissing`` where one is wanted and there is no ledger to ask in, ``Frozen``, and as
    ``perform_approved``.
    """
    wanted, url = awaiting.wanted(context, operation), job.environ.get(LEDGER)
    if not url:
        if wanted:
            raise ApprovalMissing(
                f"{operation} on {context.environment.name} needs an approval, and {LEDGER} does not say where to ask "
                "for it.",
                hint=f"Give the step {LEDGER} from a secret, or ask for it in Slack.",
            )
        return otherwise()
    job.log.hide(secrets_of_url(Secret(url)))
    with job.means.ledger(Secret(url)) as ledger:
        if not wanted:
            awaiting.refuse_frozen(context, ledger, operation)
            return otherwise()
        directory = job.means.directory(job.directory / job.inputs.config)
        reason = job.environ.get(REASON) or job.event.run_url
        asker = awaiting.Asker(context, ledger, directory, _asker(job), reason)
        result: Any = awaiting.perform_approved(asker, operation, arguments)
        return result  # type: ignore[no-any-return]


def _asker(job: Job) -> Account:
    """Whom GitHub names, whatever the workflow says: of a run that was started again, whoever did that."""
    login = job.environ.get("GITHUB_TRIGGERING_ACTOR") or job.event.actor
    if not login:
        raise UsageError("An approval is needed, and GitHub does not say who asks for it (GITHUB_TRIGGERING_ACTOR).")
    return account("github", login)
