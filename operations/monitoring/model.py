"""What the monitor remembers from look to look, and what it has to say. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct, to_builtins

from operations.checks.model import Check, Status

Kind = Literal["raised", "worsened", "eased", "recovered", "reminder"]


class Standing(Struct, frozen=True):
    """Where one check stands. Times are seconds since the epoch.

    ``announced`` is what people know of it, since ``since``, last told at ``told``. ``score`` per level (warn, fail)
    grows by 1 with each look that is as bad, and shrinks by a half with each that is not, so that flapping is found
    too; ``calm`` is for how many looks in a row it was not as bad.
    """

    announced: Status = "ok"
    since: float = 0.0
    told: float = 0.0
    score: tuple[float, float] = (0.0, 0.0)
    calm: tuple[int, int] = (0, 0)


class Event(Struct, frozen=True):
    """One thing to tell of one check; ``since`` is when people were first told of the trouble, or would have been."""

    kind: Kind
    check: str
    status: Status
    before: Status
    since: float
    detail: str = ""
    why: str = ""
    fix: str = ""


class Freeze(Struct, frozen=True):
    """That nothing is to change in an environment, while ``freeze_holds`` says what is not told. Times are seconds."""

    by: str
    reason: str
    since: float
    until: float | None = None
    """``None``: until somebody lifts it."""
    read: float = 0.0
    """When it was last known to stand."""
    over: bool = False
    """It has ended, and something that it held back is still to be told."""
    alerts_only: bool = False
    """It keeps nothing from beginning."""

    @property
    def ends(self) -> str:
        """``until`` when, in words."""
        if self.until is None:
            return "until somebody lifts it"
        return f"until {datetime.fromtimestamp(self.until, UTC).isoformat(timespec='seconds')}"


class Held(Struct, frozen=True):
    """What a freeze has held back of one check; ``known`` is what people know of it, since ``known_since``."""

    known: Status
    known_since: float
    worst: Status
    """Of what was held back; ``detail`` is what was so then."""
    began: float
    ended: float
    """When the latest was held back."""
    detail: str = ""
    alerts: int = 0
    """So many; reminders are none."""


class Passed(Struct, frozen=True):
    """A trouble that came and went while it could not be told."""

    check: str
    worst: Status
    began: float
    ended: float
    detail: str = ""


class Frost(Struct, frozen=True):
    """What a message says of a freeze: ``held`` alerts are held back by it, or were until they were ``let_go``."""

    freeze: Freeze
    over: bool
    held: int
    passed: tuple[Passed, ...] = ()
    """Once they are let go."""
    known: bool = True
    """Whether anybody could tell that it stands, or is over."""

    @property
    def let_go(self) -> bool:
        """Whether the message tells what was held back: when it is over, or nobody has been able to tell for long."""
        return self.over or not self.known


class Message(Struct, frozen=True):
    """All that one look has to tell, together, for one address: ``to`` names it without showing it."""

    id: str
    to: str
    at: float
    body: str
    """JSON, as it will be sent."""


class Found(Struct, frozen=True):
    """What the last look has found of one check, as far as it goes into a number."""

    check: str
    subject: str
    status: Status
    value: float | None = None


def found_in(checks: Iterable[Check]) -> tuple[Found, ...]:
    """Of each, in their order."""
    return tuple(Found(one.name, one.subject, one.status, one.value) for one in checks)


class State(Struct, frozen=True):
    """All that the next look needs to know."""

    looked_at: float = 0.0
    standing: Mapping[str, Standing] = {}
    trends: Mapping[str, tuple[tuple[float, float], ...]] = {}
    """By name: (time, value), oldest first."""
    outbox: tuple[Message, ...] = ()
    """What could not be delivered yet."""
    found: tuple[Found, ...] = ()
    """By the last look, which took ``seconds``."""
    seconds: float = 0.0
    freeze: Freeze | None = None
    """That stood at the last look, or of which something is still to be told."""
    held: Mapping[str, Held] = {}
    """What it holds back, by check."""
    lost: bool = False
    """There was one, and it cannot be read any more."""

    @property
    def held_back(self) -> int:
        """Alerts that are not told yet."""
        return sum(one.alerts for one in self.held.values())

    def followed_by(self, later: State) -> State:
        """With what a monitor has come to that could not read this one for a while."""
        known = {message.id for message in self.outbox}
        return State(
            later.looked_at,
            {**self.standing, **later.standing},
            {**later.trends, **self.trends},
            (*self.outbox, *(message for message in later.outbox if message.id not in known)),
            later.found,
            later.seconds,
            later.freeze or self.freeze,
            {**self.held, **later.held},
            self.lost,
        )

    def to_bytes(self) -> bytes:
        """JSON."""
        told = {name: value for name, value in to_builtins(self).items() if name != "lost"}
        return json.dumps({"version": 1, **told}, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> State:
        """What cannot be read is ``lost``: at worst people are told again what they know."""
        try:
            told: dict[str, Any] = json.loads(data)
            return cls(
                float(told["looked_at"]),
                {name: _standing(one) for name, one in told["standing"].items()},
                {name: tuple((float(at), float(v)) for at, v in kept) for name, kept in told["trends"].items()},
                tuple(Message(**one) for one in told["outbox"]),
                tuple(Found(**one) for one in told.get("found", ())),
                float(told.get("seconds", 0.0)),
                Freeze(**told["freeze"]) if told.get("freeze") else None,
                {name: Held(**one) for name, one in told.get("held", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(lost=True)


def _standing(told: Mapping[str, Any]) -> Standing:
    return Standing(**{**told, "score": tuple(told["score"]), "calm": tuple(told["calm"])})
