"""Operations that somebody else has to agree to first, where the configuration says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

from action.job import Job
from operations.agreement import LEDGER, Caller
from operations.agreement import approved as performed
from operations.approvals.model import Operation
from operations.context import Context
from operations.secret import Secret
from operations.settings_secrets import secrets_of_url

T = TypeVar("T")


def approved(
    job: Job, context: Context, operation: Operation, arguments: Mapping[str, Any], otherwise: Callable[[], T]
) -> T:
    """As ``operations.agreement.approved``; the reason is the run's page, unless the step gives one."""
    url = Secret(job.environ.get(LEDGER, ""))
    if url:
        job.log.hide(secrets_of_url(url))
    with job.means.ledger(url) if url else nullcontext() as ledger:
        caller = Caller(
            environ={**job.environ, "GITHUB_ACTIONS": "true"},
            ledger=ledger,
            directory=lambda: job.means.directory(job.directory / job.inputs.config),
            from_where=job.event.run_url,
        )
        return performed(context, caller, operation, arguments, otherwise)
