"""What becomes of a request when something happens to it: (request, situation) → change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from operations.approvals import policy as policies
from operations.approvals.change import Change, Situation
from operations.approvals.digest import differences, of
from operations.approvals.model import Event, Outcome, Person, Policy, Proposal, Request, State, Vote
from operations.approvals.people import Directory
from operations.errors import NotAllowed, RequestChanged

LOST = "lost"
"""``Outcome.error`` of a run that nobody hears of any more, until it is known what became of it."""


class Rules(Struct, frozen=True):
    """Today's policy for a request, and who is who."""

    policy: Policy
    directory: Directory


def planned(request: Request, proposal: Proposal) -> Change:
    """It is known what would be done; if nobody has to agree, it goes on at once."""
    if request.policy.required == 0:
        events: tuple[Event, ...] = (Event.PLANNED, Event.APPROVED)
        return Change(events, proposal=proposal, expires_in=request.policy.expires, job="execute")
    return Change((Event.PLANNED,), proposal=proposal, expires_in=request.policy.expires)


def planned_as(request: Request, version: int, proposal: Proposal) -> Change:
    """The same, by somebody who began to find it out at ``version``. Raises ``RequestChanged``."""
    _refuse_other_version(request, version)
    return planned(request, proposal)


def voted(request: Request, version: int, vote: Vote, rules: Rules) -> Change:
    """Somebody's word on a version. Raises ``RequestChanged``, ``NotAllowed``."""
    _refuse_other_version(request, version)
    if request.state != State.PENDING:
        raise RequestChanged(f"It has been decided already: it is {str(request.state).replace('_', ' ')}.")
    policies.refuse_voting(rules.policy, request, vote.person, rules.directory)
    _refuse_damaged(request)
    if rules.policy.version != request.policy.version:
        return Change((Event.VOIDED,), reason="The policy was changed since it was asked for.")
    if not vote.agrees:
        return Change((Event.DENIED,), by=vote.person, reason=vote.reason, vote=vote)
    if policies.enough(rules.policy, request, rules.directory, vote):
        expires = rules.policy.expires
        return Change((Event.APPROVED,), by=vote.person, vote=vote, expires_in=expires, job="execute")
    return Change((Event.AGREED,), by=vote.person, vote=vote, job="check")


def checked(request: Request, version: int, now: Proposal) -> Change:
    """What would be done is not what was shown any more. Raises ``RequestChanged`` if it is, or it is not pending."""
    _refuse_other_version(request, version)
    why = _changed(request, now)
    if request.state != State.PENDING or why is None:
        raise RequestChanged("There is no reason to void it.")
    return Change((Event.VOIDED,), reason=why)


def cancelled(request: Request, by: Person, reason: str, directory: Directory) -> Change:
    """By who asked, over any of their accounts. Raises ``NotAllowed``."""
    if by.id not in (request.requester.id, directory.person(request.requester.account).id):
        raise NotAllowed("Only who asked for it can take it back; approvers can deny it.")
    return Change((Event.CANCELLED,), by=by, reason=reason or "taken back")


def amended(
    request: Request, version: int, by: Person, arguments: Mapping[str, Any], reason: str, rules: Rules
) -> Change:
    """Who asked wants something else: planned anew, and all votes gone. Raises ``NotAllowed``, ``RequestChanged``."""
    _refuse_other_version(request, version)
    if by.id != request.requester.id:
        raise NotAllowed("Only who asked for it can change it.")
    policies.refuse_asking(rules.policy, by, rules.directory, request.operation, reason)
    events = (Event.AMENDED,)
    return Change(events, by=by, arguments=arguments, new_reason=reason, expires_in=request.policy.expires, job="plan")


def started(
    request: Request, situation: Situation, now: Proposal, rules: Rules, unrecorded: str | None = None
) -> Change:
    """Everything looked at once more, right before it begins: starts it, or voids it and says why.

    ``unrecorded``: what the audit log has against it. Raises ``RequestChanged`` unless it is approved and unbegun.
    """
    if request.state != State.APPROVED:
        raise RequestChanged(f"It does not begin: it is {str(request.state).replace('_', ' ')}.")
    why = unrecorded or policies.why_not(rules.policy, request, rules.directory) or _changed(request, now)
    if why is None and situation.freeze and request.operation in policies.CHANGING and not rules.policy.break_glass:
        why = f"the environment is frozen by {situation.freeze.by.id}: {situation.freeze.reason}"
    if why is not None:
        return Change((Event.VOIDED,), reason=why)
    return Change((Event.STARTED,))


def ended(event: Event, token: int, outcome: Outcome) -> Change:
    """How its run ended; only for who runs it."""
    return Change((event,), outcome=outcome, token=token, any_time=True)


def reviewed(request: Request, by: Person, note: str, normal: Policy, directory: Directory) -> Change:
    """A break-glass request was looked at afterwards. Raises ``NotAllowed``, ``RequestChanged``."""
    policies.refuse_unknown(by.account, directory)
    if not request.break_glass or request.reviewed_by:
        raise RequestChanged("There is nothing to review: it was no emergency, or somebody has looked already.")
    if by.id not in policies.reviewers(request, normal):
        raise NotAllowed("It is to be reviewed by one of the usual approvers, who has had no part in it.")
    return Change((Event.REVIEWED,), by=by, reason=note, any_time=True)


def expire(_request: Request, _situation: Situation) -> Change:
    """Overdue, as the database's clock says."""
    return Change((Event.EXPIRED,), reason="Nobody decided, or it did not begin, in time.", after_expiry=True)


def give_up(request: Request, lost_after: float) -> Change:
    """Who runs it is silent: nobody knows what stands, and it is never run again by itself."""
    outcome = Outcome(
        summary="Who ran it gives no sign of life any more; it may be half done. It is not run again by itself.",
        hint=f"locktender --env {request.environment} status says what stands.",
        error=LOST,
    )
    return Change(
        (Event.STUCK,), outcome=outcome, token=request.token, silent_for=lost_after, any_time=True, job="look"
    )


def _changed(request: Request, now: Proposal) -> str | None:
    if request.proposal is None or request.digest != of(request.proposal):
        return "what is recorded of it is not what was approved"
    if of(now) == request.digest:
        return None
    return "; ".join(differences(request.proposal, now))


def _refuse_other_version(request: Request, version: int) -> None:
    if request.version != version:
        raise RequestChanged("It was changed since this was shown.", hint="Look at what it says now.")


def _refuse_damaged(request: Request) -> None:
    if request.proposal is None or request.digest != of(request.proposal):
        raise RequestChanged("What is recorded of it is not what was planned; it cannot be approved.")
