"""Operations that somebody else has to agree to first, where the configuration says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from operations.agreement import LEDGER, Caller, required
from operations.agreement import approved as performed
from operations.errors import ApprovalMissing

if TYPE_CHECKING:
    from cli.desk import Desk
    from operations.approvals.model import Operation
    from operations.context import Context
    from operations.settings import Environment

T = TypeVar("T")


def approved(
    desk: Desk, context: Context, operation: Operation, arguments: Mapping[str, Any], otherwise: Callable[[], T]
) -> T:
    """As ``operations.agreement.approved``; the reason says where it was typed, unless the variable gives one."""
    from cli import wiring

    caller = Caller(
        environ=os.environ,
        ledger=desk.ledger() if os.environ.get(LEDGER) else None,
        directory=lambda: wiring.directory(desk.options),
        from_where=_where_from(context),
    )
    return performed(context, caller, operation, arguments, otherwise)


def refuse_if_wanted(environment: Environment, operation: str, what: str) -> None:
    """For what cannot wait for an approval: raises ``ApprovalMissing`` where ``operation`` needs one."""
    if required(environment, operation):
        raise ApprovalMissing(
            f"{operation} needs an approval on {environment.name}, and {what} cannot ask for one.",
            hint=f"locktender {operation} can, and so can people in Slack.",
        )


def _where_from(context: Context) -> str:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
    return f"on the command line, by {context.actor}"
