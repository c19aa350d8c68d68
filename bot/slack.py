"""What the bot needs of Slack, as a protocol; ``web_api.py`` is the real one."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from bot.blocks.parts import Board, Message, Modal
from operations.errors import OperationFailed


class SlackFailed(OperationFailed):
    """Slack did not do what it was asked for; ``reason`` is Slack's own word, or what kept it from answering."""

    code = "slack"

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"Slack did not take {method}: {reason}.")
        self.reason = reason


class SlackBusy(SlackFailed):
    """Too many calls: not again before ``seconds`` have passed."""

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(method, "too many calls")
        self.seconds = seconds


class SlackAway(SlackFailed):
    """No answer, or Slack is out of order: whether it took effect is not known; trying again helps."""


class SlackGone(SlackFailed):
    """The message, channel or person is no longer there, or the bot is not let in: trying again does not help."""


class Opened(Struct, frozen=True):
    """A modal that was opened; ``hash`` stands for how it looks."""

    view: str
    hash: str


class Profile(Struct, frozen=True):
    """What Slack says of a person."""

    id: str
    team: str
    enterprise: str = ""
    deleted: bool = False
    is_bot: bool = False
    restricted: bool = False
    """A guest."""
    name: str = ""


class Slack(Protocol):
    """Slack's Web API. Every method raises ``SlackFailed`` or one of its kinds, after a bounded time."""

    def post(self, channel: str, message: Message, thread: str | None = None) -> tuple[str, str]:
        """Post to a channel or, by a person's id, directly; returns the channel's id and the message's ts."""
        ...

    def update(self, channel: str, ts: str, message: Message) -> None:
        """Replace a message."""
        ...

    def tell(self, channel: str, person: str, message: Message) -> None:
        """Show something to one person in a channel."""
        ...

    def open(self, trigger: str, modal: Modal) -> Opened:
        """Open a modal; the trigger is good for three seconds, and once."""
        ...

    def replace(self, opened: Opened, modal: Modal) -> None:
        """Replace a modal, unless it is another one by now."""
        ...

    def publish(self, person: str, board: Board) -> None:
        """Replace what a person sees in App Home."""
        ...

    def members(self, channel: str) -> frozenset[str]:
        """Who is in a channel."""
        ...

    def profile(self, person: str) -> Profile:
        """Look somebody up."""
        ...

    def is_shared(self, channel: str) -> bool:
        """Whether people of other organisations are in a channel."""
        ...

    def group(self, id: str) -> tuple[str, ...]:
        """The members of a user group."""
        ...

    def upload(self, channel: str, thread: str, *files: tuple[str, bytes]) -> None:
        """Attach files, each with its name, to a thread."""
        ...
