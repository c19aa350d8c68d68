"""Approvals as a report tells them: from the requests of the ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from operations.approvals.model import Request, State
from operations.reporting.model import Approval, Decision

GRANTED = frozenset({State.APPROVED, State.RUNNING, State.DONE, State.FAILED, State.NEEDS_ATTENTION})
DECISIONS: dict[State, Decision] = {
    State.DENIED: "denied",
    State.EXPIRED: "expired",
    State.CANCELLED: "cancelled",
    State.PLANNING: "open",
    State.PENDING: "open",
}


def approvals_of(requests: Iterable[Request]) -> tuple[Approval, ...]:
    """Of those requests for which somebody has to agree, or that went past it; in the order in which they come."""
    return tuple(_approval(one) for one in requests if one.policy.required or one.break_glass)


def _approval(request: Request) -> Approval:
    enough = len(request.agreed) >= max(1, request.policy.required)
    granted = request.state in GRANTED or (request.state is State.VOIDED and enough)
    decided = request.decided_at if granted or request.state is State.DENIED else None
    return Approval(
        id=request.id,
        operation=request.operation,
        at=_time(request.created_at),
        requester=request.requester.id,
        decision="granted" if granted else DECISIONS.get(request.state, "voided"),
        waited=max(0.0, decided - request.created_at) if decided is not None else None,
        approvers=tuple(vote.person.id for vote in request.agreed),
        reason=request.reason,
        state=request.state.value,
        break_glass=request.break_glass,
        reviewed_by=request.reviewed_by.id if request.reviewed_by else None,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
