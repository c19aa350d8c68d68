"""Which event leads from which state to which. Pure, and total: what is not listed changes nothing.

::

    planning ─planned→ pending ─approved→ approved ─started→ running ─done→ done
        │                 │                  │                  ├─failed→ failed
        │                 ├─denied→ denied   │                  └─stuck→ needs_attention
        └───── cancelled, expired, voided ───┘
"""

from __future__ import annotations

from collections.abc import Mapping

from operations.approvals.model import Event, State

_ENDINGS = {Event.CANCELLED: State.CANCELLED, Event.EXPIRED: State.EXPIRED, Event.VOIDED: State.VOIDED}
_UNBEGUN = (State.PLANNING, State.PENDING, State.APPROVED)
TRANSITIONS: Mapping[tuple[State, Event], State] = {
    **{(state, event): end for state in _UNBEGUN for event, end in _ENDINGS.items()},
    (State.PLANNING, Event.PLANNED): State.PENDING,
    (State.PLANNING, Event.AMENDED): State.PLANNING,
    (State.PENDING, Event.AMENDED): State.PLANNING,
    (State.PENDING, Event.AGREED): State.PENDING,
    (State.PENDING, Event.APPROVED): State.APPROVED,
    (State.PENDING, Event.DENIED): State.DENIED,
    (State.APPROVED, Event.STARTED): State.RUNNING,
    (State.RUNNING, Event.DONE): State.DONE,
    (State.RUNNING, Event.FAILED): State.FAILED,
    (State.RUNNING, Event.STUCK): State.NEEDS_ATTENTION,
    (State.NEEDS_ATTENTION, Event.STUCK): State.NEEDS_ATTENTION,
    # Given up for lost, and then the one who ran it had its say after all.
    (State.NEEDS_ATTENTION, Event.DONE): State.DONE,
    (State.NEEDS_ATTENTION, Event.FAILED): State.FAILED,
}


def after(state: State, event: Event) -> State:
    """The state that ``event`` leads to; the same one where it does not apply."""
    return TRANSITIONS.get((state, event), state)


def applies(state: State, event: Event) -> bool:
    """Whether ``event`` may happen to a request in ``state`` at all."""
    return (state, event) in TRANSITIONS
