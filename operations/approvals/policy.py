"""Who may ask, who may agree, and whether it is enough: from the configuration of today and the request. Pure.

There is no exemption for anybody: nobody agrees to what they asked for themselves, under whichever account, and a
person counts once.
"""

from __future__ import annotations

import hashlib

from msgspec.structs import asdict, replace

from operations.approvals.digest import canonical
from operations.approvals.model import Account, Freeze, Operation, Person, Policy, Request, Vote
from operations.approvals.people import Directory
from operations.errors import Frozen, NotAllowed
from operations.settings import Approval, Environment

FREE: frozenset[Operation] = frozenset({"backup", "verify", "freeze", "unfreeze"})
"""Needs nobody's approval unless a policy is written for it: takes nothing away."""
CHANGING: frozenset[Operation] = frozenset({"deploy", "apply", "rollback", "restore", "resolve"})
"""What a freeze keeps from beginning."""


def policy_of(
    environment: Environment, operation: Operation, directory: Directory, *, break_glass: bool = False
) -> Policy:
    """The policy that counts now. Raises ``NotAllowed`` where there is none: then nobody may."""
    if break_glass:
        return _versioned(_break_glass(environment, operation, directory))
    written = environment.approvals.get(operation)
    if written is None and operation in FREE:
        written = Approval(required=0, reason=operation == "freeze")
    if written is None:
        raise NotAllowed(
            f"Nobody may ask for {operation} on {environment.name}: there is no policy for it.",
            hint=f"Write [environments.{environment.name}.approvals.{operation}] into the configuration.",
        )
    return _versioned(
        Policy(
            requesters=directory.members(written.requesters) if written.requesters else None,
            approvers=directory.members(written.approvers),
            required=written.required,
            expires=written.expires,
            reason_wanted=written.reason,
        )
    )


def refuse_asking(policy: Policy, person: Person, directory: Directory, operation: str, reason: str) -> None:
    """Raise ``NotAllowed`` unless this person may ask for it, with this reason."""
    refuse_unknown(person.account, directory)
    if policy.requesters is not None and person.id not in policy.requesters:
        group = "the break-glass group" if policy.break_glass else "those who may"
        raise NotAllowed(f"You may not ask for {operation} here: you are not among {group}.")
    if policy.reason_wanted and not reason.strip():
        raise NotAllowed(f"A reason is wanted for {operation}.", hint="Say why, and ask again.")
    if policy.required > len(policy.approvers - {person.id}):
        raise NotAllowed(
            f"Nobody could approve this: {policy.required} must agree, and besides you there are "
            f"{len(policy.approvers - {person.id})} who may.",
            hint="Name more approvers in the configuration, or let somebody else ask.",
        )


def refuse_voting(policy: Policy, request: Request, person: Person, directory: Directory) -> None:
    """Raise ``NotAllowed`` unless this person's word counts on this request, and has not been given yet."""
    refuse_unknown(person.account, directory)
    if person.id in (request.requester.id, directory.person(request.requester.account).id):
        raise NotAllowed("You asked for this yourself: somebody else has to decide.")
    if person.id not in policy.approvers:
        raise NotAllowed(f"You are not among those who may approve {request.operation} on {request.environment}.")
    if any(person.id in (vote.person.id, directory.person(vote.person.account).id) for vote in request.votes):
        raise NotAllowed("You have said your word on this already; a person counts once, over all accounts.")


def refuse_unknown(account: Account, directory: Directory) -> None:
    """A GitHub account that [people] does not know could be a second one of anybody. Raises ``NotAllowed``."""
    if account.kind != "slack" and not directory.is_known(account):
        raise NotAllowed(
            f"It is not known whose account {account} is.",
            hint="Add it to that person under [people] in the configuration.",
        )


def refuse_frozen(freeze: Freeze | None, operation: Operation, policy: Policy) -> None:
    """Raise ``Frozen`` where a freeze keeps it from beginning."""
    if freeze and operation in CHANGING and not policy.break_glass:
        raise Frozen(
            f"{freeze.environment} is frozen by {freeze.by.id}: {freeze.reason}",
            hint="It can go on when that ends, or is lifted.",
        )


def counted(policy: Policy, request: Request, directory: Directory) -> frozenset[str]:
    """The persons whose agreement counts today: still among the approvers, once each, and never who asked."""
    asked = {request.requester.id, directory.person(request.requester.account).id}
    agreed = {directory.person(vote.person.account).id for vote in request.agreed}
    return frozenset((agreed & policy.approvers) - asked)


def enough(policy: Policy, request: Request, directory: Directory, vote: Vote | None = None) -> bool:
    """Whether those who agreed, ``vote`` among them, are as many as must."""
    votes = (*request.votes, vote) if vote else request.votes
    return len(counted(policy, replace(request, votes=votes), directory)) >= policy.required


def why_not(policy: Policy, request: Request, directory: Directory) -> str | None:
    """What keeps an approved request from being performed now, as far as people are concerned; ``None``: nothing."""
    lost = {directory.person(vote.person.account).id for vote in request.agreed} - policy.approvers
    if lost:
        return f"{', '.join(sorted(lost))} may no longer approve {request.operation}"
    if any(not vote.agrees for vote in request.votes):
        return "somebody has denied it"
    if not enough(policy, request, directory):
        return f"{policy.required} must agree, and {len(counted(policy, request, directory))} who count did"
    asker = directory.person(request.requester.account).id
    if policy.requesters is not None and asker not in policy.requesters:
        return f"{asker} may no longer ask for {request.operation}"
    if policy.version != request.policy.version:
        return "the policy was changed since it was asked for"
    return None


def reviewers(request: Request, normal: Policy) -> frozenset[str]:
    """Who may look at a break-glass request afterwards: the usual approvers, but neither who asked nor who agreed."""
    return normal.approvers - {request.requester.id, *(vote.person.id for vote in request.votes)}


def _break_glass(environment: Environment, operation: Operation, directory: Directory) -> Policy:
    written = environment.break_glass
    if written is None or operation not in written.operations:
        raise NotAllowed(
            f"There is no break-glass group for {operation} on {environment.name}.",
            hint=f"[environments.{environment.name}.break_glass] names its members and operations.",
        )
    members = directory.members(written.members)
    return Policy(members, members, written.required, written.expires, reason_wanted=True, break_glass=True)


def _versioned(policy: Policy) -> Policy:
    values = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(policy).items()}
    return replace(policy, version=hashlib.sha256(canonical(values).encode()).hexdigest())
