"""Before an operation, for the Action and the command line: whether somebody else has to agree to it first.

Where nobody has to, nothing is loaded that only an approval needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from operations.context import Context
from operations.errors import ApprovalMissing, UsageError
from operations.settings import Environment

if TYPE_CHECKING:
    from operations.approvals.model import Account, Operation
    from operations.approvals.people import Directory
    from operations.ledger import Ledger

T = TypeVar("T")
LEDGER = "LOCKTENDER_LEDGER_URL"
REASON = "LOCKTENDER_REASON"
ACTOR = "LOCKTENDER_ACTOR"


class Caller(Struct, frozen=True):
    """Who calls, as far as approvals go. ``ledger`` is ``None`` where nothing says where it is."""

    environ: Mapping[str, str]
    ledger: Ledger | None
    directory: Callable[[], Directory]
    from_where: str
    """The reason, where ``REASON`` gives none."""


def approved(
    context: Context, caller: Caller, operation: Operation, arguments: Mapping[str, Any], otherwise: Callable[[], T]
) -> T:
    """The result, performed with an approval where one is wanted; without, and not frozen, by ``otherwise``.

    Raises ``ApprovalMissing`` where one is wanted and there is no ledger to ask in, ``UsageError`` where nobody knows
    who asks, ``Frozen``, and as ``perform_approved``.
    """
    needed = required(context.environment, operation)
    if caller.ledger is None:
        if needed:
            raise ApprovalMissing(
                f"{operation} on {context.environment.name} needs {needed} approval{'s' * (needed != 1)}, and {LEDGER} "
                "does not say where to ask for it.",
                hint=f"Set {LEDGER} from a secret, or ask for it in Slack.",
            )
        return otherwise()
    from operations import awaiting

    if not needed:
        awaiting.refuse_frozen(context, caller.ledger, operation)
        return otherwise()
    reason = caller.environ.get(REASON) or caller.from_where
    asker = awaiting.Asker(context, caller.ledger, caller.directory(), account_of(caller.environ), reason)
    result: Any = awaiting.perform_approved(asker, operation, arguments)
    return result  # type: ignore[no-any-return]


def required(environment: Environment, operation: str) -> int:
    """How many have to agree to it there."""
    approval = environment.approvals.get(operation)
    return approval.required if approval else 0


def held_back(
    environment: Environment, environ: Mapping[str, str], opened: Callable[[], AbstractContextManager[Ledger | None]]
) -> Mapping[str, Any]:
    """The arguments of a deploy by which it is known as the one that this run on GitHub was let through for.

    None outside such a run: GitHub has held no deployment of it to the environment back that the ledger knows of.
    """
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    there = environment.github.repository.lower() if environment.github else ""
    if environ.get("GITHUB_ACTIONS") != "true" or there != repository.lower() or not (run.isascii() and run.isdigit()):
        return {}
    with opened() as ledger:
        if ledger is None or not ledger.held.was_held(environment.name, repository, int(run)):
            return {}
    from operations.approvals.held import arguments, binding

    return arguments(binding(repository, int(run), environ.get("GITHUB_SHA", "")), has_app=environment.app is not None)


def account_of(environ: Mapping[str, str]) -> Account:
    """Who asks: of GitHub's runs whom GitHub names, whatever the workflow says; elsewhere whom ``ACTOR`` names.

    Of a run that was started again, that is whoever did so. Raises ``UsageError``.
    """
    from operations.approvals.people import account

    if environ.get("GITHUB_ACTIONS") == "true":
        kind, id = "github", environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR", "")
    else:
        kind, _, id = environ.get(ACTOR, "").partition(":")
    if kind not in ("slack", "github") or not id:
        raise UsageError(
            "An approval is needed, and it is not known who asks for it.", hint=f"Set {ACTOR} to github:LOGIN."
        )
    return account(kind, id)
