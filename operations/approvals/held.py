"""Deployments that GitHub holds back until it is told of a decision, and what it is to be told. Pure.

The decision is that of a request in the ledger. GitHub is told until it has taken it in, whatever dies in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from operations.approvals.model import Request, State

Word = Literal["approved", "rejected"]
Answer = Literal["approved", "rejected", "gone"]
"""``gone``: GitHub does not wait for it any more."""
COMMENT = 500
"""Characters that GitHub is told at most."""
UNDECIDED = frozenset({State.PLANNING, State.PENDING})
AGREED = frozenset({State.APPROVED, State.RUNNING, State.DONE, State.FAILED, State.NEEDS_ATTENTION})


@dataclass(frozen=True)
class Held:
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


@dataclass(frozen=True)
class Run:
    """A run of a workflow, as GitHub says now. ``actor`` is who started it, or started it again."""

    repository: str
    commit: str
    attempt: int
    actor: str
    url: str


@dataclass(frozen=True)
class Deployment:
    """A deployment, as GitHub says now."""

    environment: str
    commit: str


@dataclass(frozen=True)
class Told:
    """What to tell GitHub. ``comment`` is for who looks at the run there."""

    word: Word
    comment: str


def request_id(held: Held, attempt: int) -> str:
    """Asking again for the same attempt is asking once: GitHub decides for all jobs of an environment together."""
    told = "\n".join(("github", held.repository.lower(), str(held.run_id), str(attempt), held.there))
    return hashlib.sha256(told.encode()).hexdigest()[:20]


def mismatch(held: Held, run: Run, deployment: Deployment) -> str | None:
    """Why run and deployment do not belong together, or not to what was held; ``None``: they do."""
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


def arguments(held: Held, commit: str, *, has_app: bool) -> Mapping[str, Any]:
    """As the Action asks for the same deploy in that run, so that it finds this request, and performs it."""
    return {
        **({"ref": commit} if has_app else {}),
        "github": binding(held.repository, held.run_id, commit),
    }


def told_of(request: Request) -> Told | None:
    """What GitHub is to be told of a request; ``None``: nothing yet."""
    if request.state in UNDECIDED:
        return None
    if request.state in AGREED:
        by = ", ".join(vote.person.id for vote in request.agreed)
        return Told("approved", f"Approved in Slack{f' by {by}' if by else ''} (request {request.id}).")
    why = {State.EXPIRED: "nobody decided in time"}.get(request.state, request.why)
    by = f" by {request.votes[-1].person.id}" if request.state is State.DENIED and request.votes else ""
    return Told("rejected", shortened(f"Request {request.id} is {request.state}{by}{f': {why}' if why else '.'}"))


def shortened(comment: str) -> str:
    """As much as GitHub is told."""
    return comment if len(comment) <= COMMENT else f"{comment[: COMMENT - 1]}…"
