"""What is needed of GitHub as a protocol, and its errors; ``github_app.py`` is the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

from operations.approvals.held import Deployment, Run, Word
from operations.errors import OperationFailed


class GithubFailed(OperationFailed):
    """GitHub did not do what it was asked for."""

    code = "github"


class GithubAway(GithubFailed):
    """No answer, too many calls, or GitHub is out of order: trying again helps. ``seconds``: not before."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class GithubGone(GithubFailed):
    """There is no such thing, or it is over: trying again does not help."""


class Refusal(IntEnum):
    """What ``hook.py`` answers to what it will not have; among them nothing that a proxy says while the bot is away.

    404 would be what one says that does not find us.
    """

    MALFORMED = 400
    NOT_SIGNED = 401
    TOO_LARGE = 413
    NOT_OURS = 422


class Delivery(Struct, frozen=True):
    """One try to bring a webhook here. ``guid`` is the same for all tries of the same one."""

    id: int
    guid: str
    event: str
    status: int
    """What it was answered with; where there was no answer, GitHub says 5xx or nothing."""

    @property
    def arrived(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the bot was there, and would not have it. A proxy that does not find it says otherwise."""
        return self.status in list(Refusal)


class Github(Protocol):
    """GitHub, as the App that is installed there. Every method raises ``GithubFailed`` after a bounded time."""

    def run(self, repository: str, run_id: int) -> Run:
        """A run of a workflow, as it is now."""
        ...

    def deployment(self, repository: str, id: int) -> Deployment:
        """A deployment, as it is now."""
        ...

    def files(self, repository: str, commit: str, folder: str) -> Mapping[str, bytes]:
        """The regular files below a folder of a commit, by their path in it."""
        ...

    def decide(self, repository: str, run_id: int, environment: str, word: Word, comment: str) -> None:
        """Let the run's jobs for an environment go on, or not. Raises ``GithubGone`` where none waits for it."""
        ...

    def deliveries(self, most: int) -> Sequence[Delivery]:
        """Of the App's webhooks, the newest first: at least ``most``, or all that GitHub still knows of."""
        ...

    def redeliver(self, id: int) -> None:
        """Have a webhook delivered again; that happens after the call. Raises ``GithubGone`` where it is too old."""
        ...
