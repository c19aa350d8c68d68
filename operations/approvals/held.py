"""Deployments that GitHub holds back until it is told of a decision, and what it is to be told. Pure.

The decision is that of a request in the ledger. GitHub is told until it has taken it in, whatever dies in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from operations.approvals.model import Request, State
from operations.approvals.words import one_line

Word = Literal["approved", "rejected"]
Answer = Literal["approved", "rejected", "gone"]
"""``gone``: GitHub does not wait for it any more."""
COMMENT = 500
"""Characters that GitHub is told at most."""
UNDECIDED = frozenset({State.PLANNING, State.PENDING})
BEGUN = frozenset({State.RUNNING, State.DONE, State.FAILED, State.NEEDS_ATTENTION})
JOINER = "\u2060"
"""Invisible: keeps ``@name`` from calling somebody."""


class Held(Struct, frozen=True):
    """A job's deployment to ``there`` (GitHub's name of ``environment``). The commit is for GitHub itself to say."""

    environment: str
    repository: str
    there: str
    run_id: int
    deployment_id: int
    id: int = 0
    """In the ledger."""
    request_id: str | None = None
    """Of the request that decides; ``None``: not asked for yet."""
    telling: Word | None = None
    """What GitHub was about to be told by whoever had it before, and may have been."""
    tries: int = 0
    """How often in a row something went wrong with it."""
    gone: int = 0
    """How often of these GitHub did not find what it is about."""
    lease: str = ""
    """Until when it is the caller's, as the ledger writes it."""


class Run(Struct, frozen=True):
    """A run of a workflow, as GitHub says now. ``actor`` is who started it, or started it again."""

    repository: str
    commit: str
    attempt: int
    actor: str
    url: str
    event: str
    branch: str
    """Or the tag; empty where GitHub names none."""
    source: str
    """The repository that the commit comes from: another one of a pull request from a fork."""
    workflow: str
    """Its file, and for one of another repository where that lies."""


class Deployment(Struct, frozen=True):
    """A deployment, as GitHub says now."""

    environment: str
    commit: str


class Told(Struct, frozen=True):
    """What to tell GitHub. ``comment`` is for who looks at the run there."""

    word: Word
    comment: str


def request_ids(held: Held, attempt: int) -> tuple[str, str]:
    """Of the request that all jobs of the attempt share, and of this job's own, for when the shared one has begun.

    GitHub decides for all jobs that wait for an environment together. One that comes to wait when what was agreed to
    has begun, or is over, was not agreed to with it.
    """
    shared = ("github", held.repository.lower(), str(held.run_id), str(attempt), held.there)
    return _id(*shared), _id(*shared, str(held.deployment_id))


def _id(*told: str) -> str:
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:20]


def reason(run: Run) -> str:
    """Why it is asked for: what is let through besides the migrations."""
    of_branch = f" of {one_line(run.branch)[:100]}" if run.branch else ""
    by = f" by {one_line(run.workflow)[:100]}" if run.workflow else ""
    return f"GitHub, {one_line(run.event)[:40]}{of_branch}{by}, started by {run.actor}: {run.url}"


def mismatch(held: Held, run: Run, deployment: Deployment, branch: str | None) -> str | None:
    """Why run and deployment do not belong together, or not to what was held or may be deployed; ``None``: they do.

    ``branch``: the only one that is deployed; ``None``: any.
    """
    if run.event.startswith("pull_request"):
        return "the run is of a pull request, which is not merged yet"
    if run.source.lower() != held.repository.lower():
        return "the commit of the run comes from another repository"
    if branch is not None and run.branch != branch:
        return f"the run is of {one_line(run.branch)[:100] or 'no branch'}, and only {branch} is deployed"
    if run.repository.lower() != held.repository.lower():
        return "the run is another repository's"
    if deployment.environment != held.there:
        return "the deployment is another environment's"
    if not run.commit or run.commit != deployment.commit:
        return "the commit of the run is not the one that would be deployed"
    return None


def binding(repository: str, run_id: int, commit: str) -> Mapping[str, Any]:
    """What binds a request for a deploy to a run on GitHub: its argument ``github``."""
    return {"repository": repository.lower(), "run": run_id, "commit": commit}


def arguments(github: Mapping[str, Any], *, has_app: bool) -> Mapping[str, Any]:
    """What is asked for, by whoever asks: so the run that was let through finds the request, and performs it."""
    return {**({"ref": github["commit"]} if has_app else {}), "github": github}


def told_of(request: Request, now: float) -> Told | None:
    """What GitHub is to be told of a request, by the ledger's clock; ``None``: nothing yet."""
    if request.state in UNDECIDED or (request.state is State.APPROVED and now >= request.expires_at):
        return None
    if request.state in BEGUN:
        return Told("rejected", f"Request {request.id} has begun already, or is over. Start the run again.")
    if request.state is State.APPROVED:
        by = ", ".join(vote.person.id for vote in request.agreed)
        return Told("approved", f"Approved in Slack{f' by {by}' if by else ''} (request {request.id}).")
    why = {State.EXPIRED: "nobody decided in time"}.get(request.state, request.why)
    by = f" by {request.votes[-1].person.id}" if request.state is State.DENIED and request.votes else ""
    return Told("rejected", f"Request {request.id} is {request.state}{by}{f': {why}' if why else '.'}")


def shortened(comment: str) -> str:
    """As much as GitHub is told, and nobody called by it."""
    comment = comment.replace("@", f"@{JOINER}")
    return comment if len(comment) <= COMMENT else f"{comment[: COMMENT - 1]}…"
