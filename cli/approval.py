"""Operations that somebody else has to agree to first, where the configuration says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from operations.errors import ApprovalMissing, UsageError

if TYPE_CHECKING:
    from cli.desk import Desk
    from operations.approvals.model import Account, Operation
    from operations.context import Context
    from operations.settings import Environment

T = TypeVar("T")
ACTOR = "LOCKTENDER_ACTOR"
REASON = "LOCKTENDER_REASON"


def approved(
    desk: Desk, context: Context, operation: Operation, arguments: Mapping[str, Any], otherwise: Callable[[], T]
) -> T:
    """The result, performed with an approval where one is wanted; without, and not frozen, by ``otherwise``.

    Raises ``ApprovalMissing`` where one is wanted and there is no ledger to ask in, ``Frozen``, and as
    ``perform_approved``.
    """
    from cli.wiring import LEDGER

    required = _required(context.environment, operation)
    if not os.environ.get(LEDGER):
        if required:
            raise ApprovalMissing(
                f"{operation} on {context.environment.name} needs {required} approval{'s' * (required != 1)}, and "
                f"{LEDGER} does not say where to ask for it.",
                hint=f"Set {LEDGER}, or ask for it in Slack.",
            )
        return otherwise()
    from cli import wiring
    from operations import awaiting

    ledger = desk.ledger()
    if not required:
        awaiting.refuse_frozen(context, ledger, operation)
        return otherwise()
    reason = os.environ.get(REASON) or _where_from(context)
    asker = awaiting.Asker(context, ledger, wiring.directory(desk.options), _account(), reason)
    result: Any = awaiting.perform_approved(asker, operation, arguments)
    return result  # type: ignore[no-any-return]


def refuse_if_wanted(environment: Environment, operation: str, what: str) -> None:
    """For what cannot wait for an approval: raises ``ApprovalMissing`` where ``operation`` needs one."""
    if _required(environment, operation):
        raise ApprovalMissing(
            f"{operation} needs an approval on {environment.name}, and {what} cannot ask for one.",
            hint=f"locktender {operation} can, and so can people in Slack.",
        )


def _required(environment: Environment, operation: str) -> int:
    approval = environment.approvals.get(operation)
    return approval.required if approval else 0


def _account() -> Account:
    """Who asks: of GitHub's runs whom GitHub names, whatever the workflow says; elsewhere whom the variable names."""
    from operations.approvals.people import account

    if os.environ.get("GITHUB_ACTIONS") == "true":
        login = os.environ.get("GITHUB_TRIGGERING_ACTOR") or os.environ.get("GITHUB_ACTOR")
        kind, id = "github", login or ""
    else:
        kind, _, id = os.environ.get(ACTOR, "").partition(":")
    if kind not in ("slack", "github") or not id:
        raise UsageError(
            "An approval is needed, and it is not known who asks for it.", hint=f"Set {ACTOR} to github:LOGIN."
        )
    return account(kind, id)


def _where_from(context: Context) -> str:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
    return f"on the command line, by {context.actor}"
