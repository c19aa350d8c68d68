"""What a ledger is told to write: a new request, or what is to become of one. Frozen data. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from operations.approvals.model import (
    Event,
    Executor,
    Freeze,
    Operation,
    Outcome,
    Person,
    Policy,
    Proposal,
    Request,
    Vote,
)

Job = Literal["plan", "check", "execute", "look"]
"""For the queue: find out what would be done; whether that is still so; do it; find out what became of a lost run."""


class NewRequest(Struct, frozen=True):
    """A request to record. With a ``proposal`` it is pending at once, or approved if nobody has to agree."""

    environment: str
    operation: Operation
    arguments: Mapping[str, Any]
    requester: Person
    reason: str
    policy: Policy
    executor: Executor = "worker"
    proposal: Proposal | None = None
    id: str | None = None
    """Given, asking again with the same one is asking once; without, one is made."""
    messages: tuple[tuple[str, str], ...] = ()
    """Kind and channel of each message that is to show it; recorded in the same commit."""


class Situation(Struct, frozen=True):
    """What else stands at the moment of a change, read in its transaction. ``now`` is the database's clock."""

    now: float
    freeze: Freeze | None


class Change(Struct, frozen=True):
    """What is to become of a request, all of it in one commit, or nothing.

    ``events`` happen one after the other, each with its entry in the audit log; one that ``state.applies`` denies is
    refused. Unless ``after_expiry``, the request must not have expired by the database's clock, in the UPDATE itself;
    with it, it must have.
    """

    events: tuple[Event, ...]
    by: Person | None = None
    """``None``: Locktender itself."""
    reason: str = ""
    vote: Vote | None = None
    arguments: Mapping[str, Any] | None = None
    """Given, it is a new version of the request: votes of the old one do not count."""
    new_reason: str | None = None
    proposal: Proposal | None = None
    outcome: Outcome | None = None
    expires_in: float | None = None
    """Seconds from now, by the database's clock."""
    token: int | None = None
    """The run that this comes from; refused unless it is the request's."""
    any_time: bool = False
    """Whether the expiry does not matter: once it runs, and for ending what is over."""
    after_expiry: bool = False
    silent_for: float | None = None
    """Only if who runs it has given no sign of life for so many seconds."""
    job: Job | None = None
    details: Mapping[str, Any] = {}
    """More for the audit log."""


Decide = Callable[[Request, Situation], Change]
"""Pure; called with the request's row locked. What it raises leaves everything as it was."""


class Swept(Struct, frozen=True):
    """What a round of cleaning up has found: ids of requests."""

    expired: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    """Their runs give no sign of life; they need attention now."""
    requeued: tuple[str, ...] = ()
    """Their job had got lost before it began; it is in the queue again."""


class Verified(Struct, frozen=True):
    """What ``audit verify`` found. ``head``: ``SEQ:HASH`` of the last entry, to be kept elsewhere."""

    intact: bool
    entries: int
    head: str | None
    problems: tuple[str, ...] = ()
