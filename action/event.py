"""What happened on GitHub that this run is for, from the runner's variables and the event's own JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from operations.errors import UsageError

PULL_REQUEST_EVENTS = ("pull_request", "pull_request_target")
PROPOSING = ("pull_request", "merge_group")
PROPOSED = ("refs/pull/", "refs/heads/gh-readonly-queue/")
"""Beginnings of refs of what is not merged yet: of pull requests, and of the merge queue's groups of them."""
DEPENDABOT = "dependabot[bot]"
NOTHING = "0" * 40
"""What git calls the commit before the first one."""


class PullRequest(Struct, frozen=True):
    """The pull request of an event. ``fork``: its branch lies in another repository."""

    number: int
    head_sha: str
    base_sha: str
    base_ref: str
    fork: bool = False
    dependabot: bool = False


class Event(Struct, frozen=True):
    """One run of a workflow. ``head_sha`` is the commit that people look at, ``sha`` what is checked out by default.

    ``base``: what the files are compared with, a commit or the name of a branch; empty where that is not known.
    """

    name: str
    repository: str
    sha: str
    head_sha: str
    base: str
    ref: str = ""
    actor: str = ""
    run_id: str = ""
    attempt: str = "1"
    server_url: str = "https://github.com"
    pull: PullRequest | None = None
    cause: str = ""
    """Of a workflow that runs after another one: that one's event."""

    @property
    def read_only(self) -> bool:
        """Whether GitHub gives such a run a token that may only read, and no secrets."""
        if self.pull is None:
            return self.name == "push" and self.actor == DEPENDABOT
        return self.name == "pull_request" and (self.pull.fork or self.pull.dependabot)

    @property
    def of_pull_request(self) -> bool:
        """Whether the event, and so perhaps the workspace, is what somebody proposes, and nobody has merged."""
        return any(name.startswith(PROPOSING) for name in (self.name, self.cause)) or self.ref.startswith(PROPOSED)

    @property
    def run_url(self) -> str:
        """The page with the log of this run."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}" if self.run_id else ""

    @property
    def key(self) -> str:
        """The same for every step of one attempt of one run, and for no other."""
        return f"{self.run_id or '0'}.{self.attempt}"


def read(environ: Mapping[str, str], payload: Mapping[str, Any]) -> Event:
    """The event of this run. Raises ``UsageError`` where the payload is not what GitHub documents for it."""
    name = environ.get("GITHUB_EVENT_NAME", "")
    sha = environ.get("GITHUB_SHA", "")
    try:
        pull = _pull_request(payload, environ) if name in PULL_REQUEST_EVENTS else None
        head, base = _ends(name, sha, payload, pull)
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"The event {name!r} does not look as GitHub documents it: {error}.",
            hint="GITHUB_EVENT_PATH must name the file with the event's JSON, as the runner sets it.",
        ) from None
    return Event(
        name=name,
        repository=environ.get("GITHUB_REPOSITORY", ""),
        sha=sha,
        head_sha=head,
        base=base,
        ref=environ.get("GITHUB_REF", ""),
        actor=environ.get("GITHUB_ACTOR", ""),
        run_id=environ.get("GITHUB_RUN_ID", ""),
        attempt=environ.get("GITHUB_RUN_ATTEMPT", "1"),
        server_url=environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/"),
        pull=pull,
        cause=_cause(payload),
    )


def _cause(payload: Mapping[str, Any]) -> str:
    before = payload.get("workflow_run")
    return str(before.get("event") or "") if isinstance(before, dict) else ""


def _pull_request(payload: Mapping[str, Any], environ: Mapping[str, str]) -> PullRequest:
    pull = payload["pull_request"]
    head, base = pull["head"], pull["base"]
    home = base["repo"]["full_name"]
    author = (pull.get("user") or {}).get("login")
    return PullRequest(
        number=int(pull["number"]),
        head_sha=str(head["sha"]),
        base_sha=str(base["sha"]),
        base_ref=str(base["ref"]),
        fork=not head.get("repo") or head["repo"]["full_name"] != home,  # a fork that was deleted has none
        dependabot=DEPENDABOT in (environ.get("GITHUB_ACTOR"), author),
    )


def _ends(name: str, sha: str, payload: Mapping[str, Any], pull: PullRequest | None) -> tuple[str, str]:
    """The commit to tell about, and what to compare it with."""
    if pull:
        return pull.head_sha, pull.base_sha
    if name == "merge_group":
        group = payload["merge_group"]
        return str(group["head_sha"]), str(group["base_sha"])
    before = str(payload.get("before") or NOTHING) if name == "push" else NOTHING
    default = (payload.get("repository") or {}).get("default_branch") or ""
    return sha, str(default) if before == NOTHING else before
