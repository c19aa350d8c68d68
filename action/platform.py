"""What is needed of GitHub, as a protocol; ``github.py`` holds the only implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from operations.validation import commits
from operations.validation.commits import Entry, Unreadable

if TYPE_CHECKING:
    from action.annotations import Annotation

Kind = Literal["forbidden", "missing", "refused", "limited", "unreachable", "unexpected"]
Conclusion = Literal["success", "failure", "neutral"]
DeploymentState = Literal["in_progress", "success", "failure", "error"]


class PlatformError(Unreadable):
    """GitHub did not do what it was asked for.

    ``forbidden``: the token may not (401, 403); ``missing``: there is no such thing, or the token may not see it (404);
    ``refused``: it is not possible (409, 422); ``limited``: too many requests (403, 429); ``unreachable``: no answer,
    or a fault of the server's own. ``maybe_done``: a request that changes something may nevertheless have been obeyed.
    """

    def __init__(self, kind: Kind, message: str, *, maybe_done: bool = False, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.maybe_done = maybe_done
        self.wait = wait
        """Seconds after which it may be tried again, where GitHub has said so."""


class Comment(Struct, frozen=True):
    """A comment of a pull request."""

    id: int
    author: str
    body: str


class CheckRun(Struct, frozen=True):
    """``key`` is what its maker calls it (``external_id``); ``annotations`` how many it has."""

    id: int
    key: str
    annotations: int


class Told(Struct, frozen=True):
    """What a check run says."""

    title: str
    summary: str
    conclusion: Conclusion
    details_url: str = ""


class Suggestion(Struct, frozen=True):
    """A change to lines of a file that a reviewer may accept by a click."""

    path: str
    line: int
    end_line: int
    body: str


class Deployment(Struct, frozen=True):
    """``key`` is what its maker calls it."""

    id: int
    key: str


class Said(Struct, frozen=True):
    """What has been said of a deployment, and where the log is."""

    state: str
    log_url: str


class Objects(commits.Objects, Protocol):
    """Commits and files, wherever they lie. Raises ``Unreadable``."""

    def resolve(self, name: str) -> str:
        """The commit of a branch or of a commit's own name."""
        ...

    def parents(self, sha: str) -> tuple[str, ...]:
        """Of a commit, in their order."""
        ...

    def merge_base(self, base: str, head: str) -> str:
        """The newest commit that both come from."""
        ...

    def entry(self, sha: str, path: str) -> Entry | None:
        """One file of a commit."""
        ...


class Platform(Protocol):
    """A repository on GitHub. Every method raises ``PlatformError``; what can be repeated has been."""

    def viewer(self) -> str:
        """The login that the token writes under."""
        ...

    def head(self, number: int) -> str:
        """The newest commit of a pull request."""
        ...

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All of them, the oldest first."""
        ...

    def create_comment(self, number: int, body: str) -> Comment:
        """Is not repeated."""
        ...

    def edit_comment(self, number: int, id: int, body: str) -> None:
        """Put another text into a comment."""
        ...

    def delete_comment(self, number: int, id: int) -> None:
        """Take a comment away; it may be gone already."""
        ...

    def check_runs(self, sha: str, name: str) -> tuple[CheckRun, ...]:
        """Those of a commit."""
        ...

    def create_check_run(self, sha: str, name: str, key: str, told: Told, some: Sequence[Annotation]) -> CheckRun:
        """Is not repeated."""
        ...

    def update_check_run(self, id: int, told: Told, more: Sequence[Annotation]) -> None:
        """Add annotations to those that are there. Is not repeated if there are some: they would be there twice."""
        ...

    def patches(self, number: int) -> Mapping[str, str]:
        """The changed files of a pull request, each with its hunks."""
        ...

    def review_comments(self, number: int) -> tuple[Comment, ...]:
        """Comments to lines."""
        ...

    def create_review(self, number: int, sha: str, suggestions: Sequence[Suggestion]) -> None:
        """Several of them at once. Is not repeated."""
        ...

    def deployments(self, sha: str, environment: str) -> tuple[Deployment, ...]:
        """Those of a commit to an environment."""
        ...

    def create_deployment(self, sha: str, environment: str, key: str, description: str) -> Deployment:
        """Is not repeated."""
        ...

    def said(self, deployment: int) -> tuple[Said, ...]:
        """What has been said of a deployment, the newest first."""
        ...

    def say_state(
        self, deployment: int, state: DeploymentState, description: str, log_url: str, environment_url: str
    ) -> None:
        """Is not repeated."""
        ...
