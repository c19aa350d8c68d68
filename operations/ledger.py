"""What the use cases need from the ledger, as protocols; ``operations/adapters`` holds the only implementations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from operations.approvals.change import Decide, NewRequest, Swept
    from operations.approvals.held import Answer, Held, Word
    from operations.approvals.model import AuditEntry, Freeze, Message, Person, Request
    from operations.monitoring.model import State


class MonitorMemory(Protocol):
    """What the monitor of one environment knows from look to look, and its history.

    Every method raises what reaching it may: ``HostUnreachable``, ``DatabaseUnreachable`` and so on.
    """

    def load(self) -> State:
        """The state after the last look; an empty one where there was none."""
        ...

    def save(self, state: State, before: State, look: Mapping[str, Any] | None) -> bool:
        """Keep a state in place of the one before, with the line of its look, if it is one.

        False: somebody else has kept another one meanwhile, and nothing was kept.
        """
        ...

    def looks(self, since: float) -> Iterable[Mapping[str, Any]]:
        """The lines of looks that are kept since then, oldest first: at least all that had something to tell."""
        ...


class Freezes(Protocol):
    """Knows what is frozen. Raises as a ``Ledger`` does."""

    def frozen(self, environment: str) -> Freeze | None:
        """The freeze that stands now."""
        ...


class Ledger(Freezes, Protocol):
    """Requests, votes, freezes and the audit log, in a PostgreSQL of their own; and the queue of what is to be done.

    Several processes and threads may use it at once. Every method raises ``DatabaseUnreachable``, ``ConnectionLost``,
    ``StatementFailed``; what changes something is one commit with its entries in the audit log and its job, and can be
    tried again after either: the second time it finds that it has happened, or does it.
    """

    def now(self) -> float:
        """The database's clock, in seconds since the epoch."""
        ...

    def create(self, new: NewRequest, *, per_hour: int | None = None) -> Request:
        """Record a request. Raises ``RateLimited`` if that person has made ``per_hour`` of them within the hour."""
        ...

    def change(self, request_id: str, decide: Decide) -> Request:
        """Let ``decide`` say what becomes of a request, and do that.

        Raises ``NotFound``; ``RequestChanged`` if what it says is not possible (any more); whatever ``decide`` raises.
        """
        ...

    def beat(self, request_id: str, token: int, progress: str | None = None) -> bool:
        """A sign of life of who runs it, with how far it is; False if it does not run it any more."""
        ...

    def request(self, request_id: str) -> Request:
        """One request with its votes. Raises ``NotFound``."""
        ...

    def open_requests(self, environment: str | None = None) -> tuple[Request, ...]:
        """All that have not ended, the oldest first; with break-glass requests that nobody has reviewed yet."""
        ...

    def history(self, environment: str | None = None, limit: int = 20) -> tuple[Request, ...]:
        """The newest requests, whatever their state, newest first."""
        ...

    def typical_seconds(self, environment: str, operation: str) -> float | None:
        """The median of how long it took when it went well, of the latest twenty; ``None``: never yet."""
        ...

    def freeze(self, freeze: Freeze) -> Freeze:
        """Freeze an environment, in place of the freeze that there may be; ``since`` is set by the database."""
        ...

    def unfreeze(self, environment: str, by: Person, reason: str) -> Freeze | None:
        """Lift the freeze; returns the one there was, ``None`` if there was none."""
        ...

    def show_in(self, request_id: str, kind: str, channel: str, ts: str | None = None, shown: int = 0) -> Message:
        """Record that a message is to show a request, or where one does already; once per kind and channel."""
        ...

    def messages(self, request_id: str) -> tuple[Message, ...]:
        """All that show a request."""
        ...

    def stale_messages(self, limit: int = 20, lease: float = 30.0) -> tuple[Message, ...]:
        """Messages that show less than the truth. Nobody else is given the same ones for ``lease`` seconds."""
        ...

    def message_shown(self, message_id: int, ts: str | None, revision: int, rest: float = 0.0) -> None:
        """A message shows that revision now, and is where ``ts`` says; a ``None`` forgets where it was.

        Nobody is given it again before ``rest`` seconds have passed.
        """
        ...

    def first_seen(self, signature: str) -> bool:
        """Whether this (a digest of a signed request, in hex) comes for the first time in 15 minutes at least."""
        ...

    def seen(self, signature: str) -> bool:
        """Whether it has come already, by ``first_seen``; this look does not count."""
        ...

    def note(self, event: str, by: Person | None, **facts: Any) -> AuditEntry:
        """An entry in the audit log that belongs to no request: a refusal, say."""
        ...

    def audit(self, after: int = 0, limit: int = 1000, request_id: str | None = None) -> tuple[AuditEntry, ...]:
        """Entries of the audit log in their order, from the one behind number ``after``."""
        ...

    def audit_latest(self, after: int, limit: int, request_id: str | None = None) -> tuple[AuditEntry, ...]:
        """The latest ``limit`` entries behind number ``after``, in their order."""
        ...

    def standing(self) -> Mapping[str, str]:
        """The state of every request, by its id, for comparing with the audit log."""
        ...

    @property
    def held(self) -> HeldDeployments:
        """What GitHub holds back."""
        ...

    def memory(self, environment: str) -> MonitorMemory:
        """What the monitor of an environment knows, where workers watch it."""
        ...

    def sweep(self, lost_after: float = 90.0) -> Swept:
        """End what has expired, give up runs without a sign of life for ``lost_after`` seconds, requeue lost jobs."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class HeldDeployments(Protocol):
    """Deployments that GitHub holds back, in the ledger. Raises as a ``Ledger`` does, and may be tried again."""

    def hold(self, one: Held) -> bool:
        """Record one; False: it is there already."""
        ...

    def was_held(self, environment: str, repository: str, run_id: int) -> bool:
        """Whether a deployment of that run to the environment is there, decided or not."""
        ...

    def due(self, lease: float, limit: int = 20) -> tuple[Held, ...]:
        """Those that GitHub has not been told of yet. Nobody else is given the same ones for ``lease`` seconds."""
        ...

    def asked(self, one: Held, request_id: str) -> None:
        """The request that decides."""
        ...

    def later(self, one: Held, seconds: float, tries: int = 0, gone: int = 0) -> None:
        """Nothing can be done about it now; it is given out again then, with these counts.

        Without effect once it is somebody else's.
        """
        ...

    def telling(self, one: Held, word: Word) -> bool:
        """Keep what GitHub is about to be told; False: it is somebody else's by now, or over."""
        ...

    def answered(self, one: Held, answer: Answer, comment: str) -> bool:
        """GitHub has been told; it is over. False: it was already."""
        ...

    def redeliver(self, guid: str, most: int) -> bool:
        """Whether the caller is to have GitHub deliver that webhook again now.

        True for one caller only, ever less often, and ``most`` times at all.
        """
        ...
