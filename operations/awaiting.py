"""An operation that is performed here and now, once others have agreed: the Action's and the command line's way.

Asks for it in the ledger, unless the very same is being asked for already; waits; authorises it once more; performs it
with signs of life; records how it ended. A worker has no part in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from operations.approvals import policy as policies
from operations.approvals.asking import Door, ask, cancel
from operations.approvals.digest import of
from operations.approvals.model import Account, Operation, Policy, Proposal, Request, State
from operations.approvals.people import Directory
from operations.approvals.words import one_line
from operations.context import Context
from operations.errors import ApprovalMissing, ConnectionLost, DatabaseUnreachable, LocktenderError
from operations.executing import Reporter, actor, begin, run
from operations.ledger import Ledger
from operations.ports import Progress
from operations.proposing import NothingToDo, propose, timed

POLL = 2.0
CARD = "card"
"""``Message.kind`` of what the bot shows to the approvers."""


class Asker(Struct, frozen=True):
    """Who asks for it, and where."""

    context: Context
    ledger: Ledger
    directory: Directory
    account: Account
    reason: str

    @property
    def door(self) -> Door:
        """As for everybody else."""
        return Door(self.ledger, self.context.environment, self.directory)


def refuse_frozen(context: Context, ledger: Ledger, operation: Operation) -> None:
    """Raise ``Frozen`` where it needs no approval, and may not begin all the same."""
    free = Policy(None, frozenset(), 0, 0.0, reason_wanted=False)
    policies.refuse_frozen(ledger.frozen(context.environment.name), operation, free)


def perform_approved(asker: Asker, operation: Operation, arguments: Mapping[str, Any]) -> object:
    """The use case's result.

    Raises what the use case raises; ``ApprovalMissing`` where it was denied, voided, or not decided in time;
    ``NotAllowed``, ``Frozen``, ``RateLimited``.
    """
    rules = asker.door.rules(operation)
    try:
        found = propose(asker.context, operation, arguments, rules.policy)
    except NothingToDo as error:
        return error.result  # needs nobody, and nothing is touched for it
    proposal = timed(found, asker.ledger.typical_seconds(asker.context.environment.name, operation))
    request = _awaited(asker, proposal)
    return _performed(asker, request)


def _awaited(asker: Asker, proposal: Proposal) -> Request:
    joined = next(iter(_alike(asker, proposal)), None)
    if joined:
        return _decided(asker, joined)
    id = secrets.token_urlsafe(12)  # known before: it may be recorded, and the end come before that is heard
    try:
        return _decided(asker, _asked(asker, proposal, id))
    except BaseException:  # also Ctrl-C: nobody is left who would perform it
        _take_back(asker, id)
        raise


def _asked(asker: Asker, proposal: Proposal, id: str) -> Request:
    return ask(
        asker.door,
        asker.account,
        proposal.operation,
        proposal.arguments,
        asker.reason,
        executor="caller",
        proposal=proposal,
        id=id,
        messages=tuple((CARD, channel) for channel in asker.context.environment.slack.channels[:1]),
    )


def _alike(asker: Asker, proposal: Proposal) -> list[Request]:
    """Open requests for exactly this, that whoever waits for them performs: another run of the same job, say."""
    digest = of(proposal)
    return [
        one
        for one in asker.ledger.open_requests(asker.context.environment.name)
        if one.digest == digest and one.executor == "caller" and one.state in (State.PENDING, State.APPROVED)
    ]


def _decided(asker: Asker, request: Request) -> Request:
    """Polls: nothing has to reach this process."""
    told = ""
    while True:
        if request.state == State.APPROVED:
            return request
        if request.state != State.PENDING:
            raise _missing(asker, request)
        if (now := _waiting_for(request)) != told:
            asker.context.report(Progress(now))
            told = now
        asker.context.clock.sleep(POLL)
        try:
            if asker.ledger.now() > request.expires_at:
                asker.ledger.sweep()  # perhaps nobody else is there to do it
            request = asker.ledger.request(request.id)
        except (DatabaseUnreachable, ConnectionLost):
            continue  # what was decided meanwhile is found when it answers again


def _waiting_for(request: Request) -> str:
    until = datetime.fromtimestamp(request.expires_at, UTC)
    may = ", ".join(sorted(request.policy.approvers - {request.requester.id}))
    count = f"{len(request.agreed)} of {request.policy.required}"
    return f"waiting for approval of request {request.id} until {until:%H:%M} UTC ({count} agreed; {may} may)"


def _missing(asker: Asker, request: Request) -> ApprovalMissing:
    why = f": {one_line(request.why)}" if request.why else "."
    by = f" by {request.votes[-1].person.id}" if request.state == State.DENIED and request.votes else ""
    return ApprovalMissing(
        f"Request {request.id} was {request.state}{by}{why}"
        if request.state in (State.DENIED, State.CANCELLED, State.VOIDED)
        else f"Request {request.id} is {str(request.state).replace('_', ' ')}{why}",
        hint=f"Nothing was done. {asker.context.command} audit list --request {request.id} shows what happened.",
    )


def _take_back(asker: Asker, id: str) -> None:
    try:
        cancel(asker.door, id, asker.account, "who waited for it has gone")
    except LocktenderError:
        return  # never recorded, ended already, or it expires by itself


def _performed(asker: Asker, request: Request) -> object:
    report = Reporter(asker.context.report)
    context = replace(asker.context, actor=f"{asker.context.actor} for {actor(request)}", report=report)
    begun = begin(asker.ledger, asker.directory, context, request)
    if begun is None or begun.state != State.RUNNING:
        raise _missing(asker, begun or asker.ledger.request(request.id))
    done = run(asker.ledger, context, begun, report)
    if done.error:
        raise done.error
    return done.result
