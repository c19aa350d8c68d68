"""Before a worker plans or executes a request: whether everybody who had a part in it still may, as Slack says now.

Policies say who may approve; that an account was deactivated, or has become a guest's, only Slack knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from operations.approvals.change import Change, Job
from operations.approvals.model import Event, Request, State
from operations.errors import NotNow, RequestChanged
from operations.ledger import Ledger

Refusal = Callable[[str], str | None]
"""The id of a person, or of a channel → why nothing may be done for or from it; ``None``: it may. Raises ``NotNow``."""
CARD = "card"
logger = logging.getLogger("locktender.bot")
BEFORE: Mapping[str, State] = {"plan": State.PLANNING, "execute": State.APPROVED}


class Handle(Protocol):
    """What is done with a request's id."""

    def __call__(self, request_id: str, /) -> None:
        """Does it."""
        ...


def guarded(
    handlers: Mapping[Job, Handle], ledger: Ledger, of_person: Refusal, of_channel: Refusal
) -> Mapping[Job, Handle]:
    """The same handlers behind the gate. Where Slack does not answer, it waits for the next time."""

    def why_not(request: Request) -> str | None:
        return unfit(request, of_person) or _out_of_place(ledger, request, of_channel)

    def gate(job: Job, handle: Handle) -> Handle:
        def pass_or_void(request_id: str, /) -> None:
            request = ledger.request(request_id)
            try:
                why = why_not(request) if request.state is BEFORE.get(job) else None
                if why:
                    void(ledger, request, why)
                else:
                    handle(request_id)
            except NotNow as error:  # ``Ledger.sweep`` puts it into the queue again
                logger.warning("request %s waits: %s", request_id, error.message)

        return pass_or_void

    return {job: gate(job, handle) for job, handle in handlers.items()}


def unfit(request: Request, refusal: Refusal) -> str | None:
    """Why the request may not go on because of somebody who had a part in it."""
    for person in involved(request):
        why = refusal(person)
        if why:
            return f"{person}: {why}."
    return None


def involved(request: Request) -> tuple[str, ...]:
    """The Slack ids of who asked and who agreed. Pure."""
    accounts = (request.requester.account, *(vote.person.account for vote in request.agreed))
    return tuple(dict.fromkeys(account.id for account in accounts if account.kind == "slack"))


def _out_of_place(ledger: Ledger, request: Request, of_channel: Refusal) -> str | None:
    channels = {one.channel for one in ledger.messages(request.id) if one.kind == CARD}
    return next(filter(None, map(of_channel, sorted(channels))), None)


def void(ledger: Ledger, request: Request, why: str) -> None:
    """It is over; who asked is told by its card."""
    try:
        ledger.change(request.id, lambda *_: Change((Event.VOIDED,), reason=why))
    except RequestChanged:
        return  # decided or ended by somebody else meanwhile
