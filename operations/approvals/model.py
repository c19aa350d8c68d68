"""A request to have something done, those who agreed, and what became of it: frozen data. Pure.

Times are seconds since the epoch, by the ledger's database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, field

Operation = Literal["backup", "verify", "restore", "deploy", "apply", "rollback", "resolve", "freeze", "unfreeze"]
"""``restore`` with the argument ``undo`` swaps back."""
Executor = Literal["worker", "caller"]
"""Who performs it once approved: a worker, by a job of the queue; or the caller who waits for it (Action, CLI)."""


class State(StrEnum):
    """Where a request stands. ``state.py`` holds which events lead where."""

    PLANNING = "planning"
    """Recorded; a worker is to find out what exactly would be done."""
    PENDING = "pending"
    """Planned; waits for approvers."""
    APPROVED = "approved"
    """Enough have agreed; it has not begun. If it does not begin before ``expires_at``, it never will."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It was tried or begun, and the old state stands."""
    NEEDS_ATTENTION = "needs_attention"
    """It may be half done, or nobody knows: never run again by itself; ``outcome`` says what to do."""
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """By who asked."""
    VOIDED = "voided"
    """Something it was bound to has changed; ``why`` says what."""


OPEN = frozenset({State.PLANNING, State.PENDING, State.APPROVED, State.RUNNING})
ENDED = frozenset(State) - OPEN


class Event(StrEnum):
    """What can happen to a request; each is also the ``event`` of an entry in the audit log."""

    REQUESTED = "requested"
    """The first entry; no transition."""
    PLANNED = "planned"
    AGREED = "agreed"
    """An approver agreed, and more are needed."""
    APPROVED = "approved"
    """The approval that made it enough; or none was needed."""
    DENIED = "denied"
    AMENDED = "amended"
    """Who asked has changed it: a new version, and the votes for the old one do not count."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    VOIDED = "voided"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    STUCK = "stuck"
    """Ended in doubt, or the one who ran it gives no sign of life any more."""
    REVIEWED = "reviewed"
    """Somebody else has looked at a break-glass request afterwards; no transition."""


class Account(Struct, frozen=True, order=True):
    """One account. ``id``: Slack's user id (``U…``, ``W…``), or GitHub's login."""

    kind: Literal["slack", "github"]
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Person(Struct, frozen=True):
    """A human: the name of ``[people.NAME]`` where the account belongs to one, else the account's own text."""

    id: str
    account: Account
    """The one that was used here."""


class Proposal(Struct, frozen=True):
    """What exactly would be done. The digest covers every field but ``explanation``; see ``digest.py``."""

    operation: Operation
    environment: str
    arguments: Mapping[str, Any]
    """As they will be performed: JSON's own types."""
    policy: str
    """``Policy.version`` that it was asked for under."""
    database: str
    server: str
    """Host and port, as seen from the environment's host."""
    system_identifier: str | None = None
    """Tells clusters apart; ``None`` where the role may not read it."""
    migrations: Mapping[str, str] = {}
    """Those that would be applied: name → SHA-256."""
    backup_id: str | None = None
    backup_digest: str | None = None
    """``Manifest.digest``: stands for all its files."""
    plan: str | None = None
    """Digest of the use case's own plan: of a deploy ``Plan.digest``, of a rollback the runs that it undoes."""
    commit: str | None = None
    """Of the application, where one is deployed."""
    explanation: Explanation = field(default_factory=lambda: Explanation())


class Explanation(Struct, frozen=True):
    """The plan for people: plain text, nothing escaped."""

    steps: tuple[str, ...] = ()
    loses: str = ""
    """What is lost, or that nothing is."""
    undo: str = ""
    """How it can be undone."""
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    """Median of the past runs that went well; ``None`` where there are none."""


class Policy(Struct, frozen=True):
    """Who may have an operation done on an environment. Members are ``Person.id`` or ``Account`` texts, resolved.

    ``requesters`` of ``None``: any full member of the workspace.
    """

    requesters: frozenset[str] | None
    approvers: frozenset[str]
    required: int
    expires: float
    """Seconds; counted anew from the approval, for it to begin."""
    reason_wanted: bool
    break_glass: bool = False
    """Of the group for emergencies: goes past a freeze, is told to everybody, and must be reviewed afterwards."""
    version: str = ""
    """SHA-256 over all of it: a request made under another version does not count any more."""


class Vote(Struct, frozen=True):
    """One person's word on one version of a request; a person has one, over all accounts."""

    person: Person
    agrees: bool
    reason: str
    at: float


class Outcome(Struct, frozen=True):
    """How it ended, for people and for buttons."""

    summary: str
    """One or a few sentences; what now stands."""
    hint: str = ""
    """The exact next command, where one is needed."""
    run_id: str | None = None
    seconds: float | None = None
    result: Mapping[str, Any] = {}
    """The use case's result as the JSON of CONTRACT (``backup_id``, ``outcome``, ``previous_database`` …)."""
    error: str | None = None
    """The error's code (``errors.py``)."""


class Request(Struct, frozen=True):
    """What somebody asked for, and all that became of it until now."""

    id: str
    """Opaque; with ``version`` all that a button carries."""
    version: int
    """Of what is asked for: grows when it is amended. Approvers agree to one version."""
    revision: int
    """Grows with every change, also of votes: a message that shows an older one is out of date."""
    environment: str
    operation: Operation
    arguments: Mapping[str, Any]
    """As they were asked for; ``proposal.arguments`` is what they came to (``latest`` → an id)."""
    requester: Person
    reason: str
    state: State
    executor: Executor
    policy: Policy
    """As it was when it was asked for; what counts is the one that ``policy.py`` makes of today's configuration."""
    created_at: float
    expires_at: float
    proposal: Proposal | None = None
    digest: str | None = None
    """``digest.of(proposal)``."""
    votes: tuple[Vote, ...] = ()
    """On this version, oldest first."""
    why: str = ""
    """Why it was denied, voided or cancelled."""
    decided_at: float | None = None
    """When the state stopped being pending."""
    started_at: float | None = None
    ended_at: float | None = None
    token: int | None = None
    """Fencing token of who runs it; only that one may record an outcome."""
    beat_at: float | None = None
    """Last sign of life of who runs it."""
    progress: str = ""
    outcome: Outcome | None = None
    reviewed_by: Person | None = None
    """Of a break-glass request; ``None``: nobody has looked yet."""

    @property
    def agreed(self) -> tuple[Vote, ...]:
        """The votes for it."""
        return tuple(vote for vote in self.votes if vote.agrees)

    @property
    def break_glass(self) -> bool:
        """Whether it was asked for under the emergency policy."""
        return self.policy.break_glass


class Freeze(Struct, frozen=True):
    """Until it ends, nothing that changes the environment may begin, but break-glass requests."""

    environment: str
    by: Person
    reason: str
    since: float
    until: float | None = None
    """``None``: until somebody lifts it."""


class Message(Struct, frozen=True):
    """Where a request is shown, and which ``Request.revision`` is shown there: what is behind must be brought up.

    ``kind`` and ``channel`` are the front door's own words (``card``, ``dm``, ``thread`` …; a channel or a user id);
    ``ts`` is ``None`` until it was posted.
    """

    id: int
    request_id: str
    kind: str
    channel: str
    ts: str | None
    shown: int
    """0: nothing yet."""
    wanted: int


class AuditEntry(Struct, frozen=True):
    """One row of the hash chain. ``hash`` = SHA-256 over ``previous``, ``seq``, ``at`` and ``body``, a line each."""

    seq: int
    at: str
    """UTC, ISO 8601 with microseconds, as it was hashed."""
    body: str
    """Canonical JSON: event, request, person, account, environment, operation, digest, state, reason, …"""
    previous: str
    hash: str
