"""Operations that somebody else has to agree to first, where the configuration says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from action.job import Job
from operations.agreement import LEDGER, Caller
from operations.agreement import approved as performed
from operations.agreement import held_back as held_back_of
from operations.approvals.model import Operation
from operations.context import Context
from operations.ledger import Ledger
from operations.secret import Secret
from operations.settings_secrets import secrets_of_url

T = TypeVar("T")


def approved(
    job: Job, context: Context, operation: Operation, arguments: Mapping[str, Any], otherwise: Callable[[], T]
) -> T:
    """As ``operations.agreement.approved``; the reason is the run's page, unless the step gives one."""
    with _ledger(job) as ledger:
        caller = Caller(
            environ=_environ(job),
            ledger=ledger,
            directory=lambda: job.means.directory(job.directory / job.inputs.config),
            from_where=job.event.run_url,
        )
        return performed(context, caller, operation, arguments, otherwise)


def held_back(job: Job, context: Context) -> Mapping[str, Any]:
    """As ``operations.agreement.held_back``."""
    return held_back_of(context.environment, _environ(job), lambda: _ledger(job))


def _ledger(job: Job) -> AbstractContextManager[Ledger | None]:
    url = Secret(job.environ.get(LEDGER, ""))
    if not url:
        return nullcontext()
    job.log.hide(secrets_of_url(url))
    return job.means.ledger(url)


def _environ(job: Job) -> Mapping[str, str]:
    """An action is run by GitHub's runner, whatever the workflow has made of that variable."""
    return {**job.environ, "GITHUB_ACTIONS": "true"}
