"""GitHub by PyGithub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from github import Auth, BadAttributeException, Github
from github.CheckRun import CheckRun as GithubCheckRun
from github.Deployment import Deployment as GithubDeployment
from github.GithubObject import NotSet
from github.IssueComment import IssueComment
from github.PullRequest import PullRequest
from github.PullRequestComment import PullRequestComment
from github.Repository import Repository

from action.annotations import Annotation
from action.github_objects import GithubObjects
from action.platform import (
    CheckRun,
    Comment,
    Deployment,
    DeploymentState,
    PlatformError,
    Said,
    Suggestion,
    Told,
)
from action.requesting import Requests
from operations.secret import Secret

VIEWER = "query { viewer { login } }"
ACTIONS_BOT = "github-actions[bot]"
"""Who writes with a workflow's own token, where that cannot be asked."""
DESCRIPTION = 140
"""Characters of a deployment's description."""


class GithubPlatform:
    """One repository, with its ``objects``.

    PyGithub's own retries are off: they repeat a POST that may have been obeyed.
    """

    def __init__(
        self,
        repository: str,
        token: Secret,
        *,
        api_url: str,
        timeout: int,
        pause: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._github = Github(
            auth=Auth.Token(token.reveal()) if token else None,
            base_url=api_url,
            timeout=timeout,
            retry=None,
            per_page=100,
            seconds_between_requests=None,
            seconds_between_writes=None,
            user_agent="locktender",
            lazy=True,
        )
        self._name = repository
        self._calling = Requests(pause, sleep)
        self.objects = GithubObjects(self._github, repository, self._calling)
        self._viewer = ""

    @property
    def _repository(self) -> Repository:
        return self._github.get_repo(self._name)

    def _pull(self, number: int) -> PullRequest:
        return self._repository.get_pull(number)

    def viewer(self) -> str:
        """By GraphQL, the only way for a workflow's own token; where it may not, by the name that such tokens have.

        It is asked for once.
        """
        self._viewer = self._viewer or self._asked_for_viewer()
        return self._viewer

    def _asked_for_viewer(self) -> str:
        def ask() -> str:
            answer = self._github.requester.graphql_query(VIEWER, {})[1]
            return str(answer["data"]["viewer"]["login"])

        try:
            return self._calling("ask for its own name", ask)
        except PlatformError as error:
            if error.kind in ("limited", "unreachable"):
                raise
            return ACTIONS_BOT

    def head(self, number: int) -> str:
        """The newest commit of a pull request."""
        return self._calling(f"read pull request {number}", lambda: str(self._pull(number).head.sha))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All pages."""

        def read() -> tuple[Comment, ...]:
            found = self._repository.get_issue(number).get_comments()
            return tuple(map(_comment, found))

        return self._calling("read the comments", read)

    def create_comment(self, number: int, body: str) -> Comment:
        """On the pull request as a whole."""

        def write() -> Comment:
            made = self._repository.get_issue(number).create_comment(body)
            return Comment(made.id, made.user.login if made.user else "", body)

        return self._calling("write a comment", write, again=False)

    def edit_comment(self, number: int, id: int, body: str) -> None:
        """Put another text into it."""
        self._calling("edit the comment", lambda: self._repository.get_issue(number).get_comment(id).edit(body))

    def delete_comment(self, number: int, id: int) -> None:
        """It may be gone already."""
        try:
            self._calling("delete a comment", lambda: self._repository.get_issue(number).get_comment(id).delete())
        except PlatformError as error:
            if error.kind != "missing":
                raise

    def check_runs(self, sha: str, name: str) -> tuple[CheckRun, ...]:
        """All of that name, of every run."""

        def read() -> tuple[CheckRun, ...]:
            found = self._repository.get_commit(sha).get_check_runs(check_name=name, filter="all")
            return tuple(_check_run(run) for run in found)

        return self._calling("read the check runs", read)

    def create_check_run(self, sha: str, name: str, key: str, told: Told, some: Sequence[Annotation]) -> CheckRun:
        """Already completed."""

        def write() -> CheckRun:
            made = self._repository.create_check_run(
                name,
                sha,
                external_id=key,
                status="completed",
                conclusion=told.conclusion,
                output=_output(told, some),
                details_url=told.details_url or NotSet,
            )
            return CheckRun(made.id, key, len(some))

        return self._calling("write the check run", write, again=False)

    def update_check_run(self, id: int, told: Told, more: Sequence[Annotation]) -> None:
        """GitHub adds the annotations to those that are there."""

        def write() -> None:
            run = self._repository.get_check_run(id)
            run.edit(status="completed", conclusion=told.conclusion, output=_output(told, more))

        self._calling("update the check run", write, again=not more)

    def patches(self, number: int) -> Mapping[str, str]:
        """All pages; binary and very large files have none."""
        return self._calling(
            "read what the pull request changes",
            lambda: {file.filename: file.patch or "" for file in self._pull(number).get_files()},
        )

    def review_comments(self, number: int) -> tuple[Comment, ...]:
        """All pages."""

        def read() -> tuple[Comment, ...]:
            found = self._pull(number).get_review_comments()
            return tuple(map(_comment, found))

        return self._calling("read the comments to lines", read)

    def create_review(self, number: int, sha: str, suggestions: Sequence[Suggestion]) -> None:
        """As one review, so that one message is sent for all of them."""
        review = {"commit_id": sha, "event": "COMMENT", "comments": [_comment_to_lines(one) for one in suggestions]}
        self._calling("suggest changes", lambda: self._post(f"pulls/{number}/reviews", review), again=False)

    def deployments(self, sha: str, environment: str) -> tuple[Deployment, ...]:
        """All pages."""

        def read() -> tuple[Deployment, ...]:
            found = self._repository.get_deployments(sha=sha, environment=environment)
            return tuple(Deployment(one.id, _key(one)) for one in found)

        return self._calling("read the deployments", read)

    def create_deployment(self, sha: str, environment: str, key: str, description: str) -> Deployment:
        """Without merging, and without asking whether checks have passed: whoever runs this has decided already."""

        def write() -> Deployment:
            made = self._repository.create_deployment(
                sha,
                auto_merge=False,
                required_contexts=[],
                payload={"locktender": key},
                environment=environment,
                description=description[:DESCRIPTION],
            )
            return Deployment(made.id, key)

        return self._calling("create the deployment", write, again=False)

    def said(self, deployment: int) -> tuple[Said, ...]:
        """The newest first."""

        def read() -> tuple[Said, ...]:
            found = self._repository.get_deployment(deployment).get_statuses()
            return tuple(Said(one.state, one.log_url or one.target_url or "") for one in found)

        return self._calling("read what was said of the deployment", read)

    def say_state(
        self, deployment: int, state: DeploymentState, description: str, log_url: str, environment_url: str
    ) -> None:
        """With the run's log and the environment's own page."""
        said = {"state": state, "description": description[:DESCRIPTION], "auto_inactive": True}
        said |= {"log_url": log_url} if log_url else {}
        said |= {"environment_url": environment_url} if environment_url else {}
        self._calling(
            "say how the deployment is", lambda: self._post(f"deployments/{deployment}/statuses", said), again=False
        )

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        url = f"/repos/{quote(self._name)}/{path}"
        self._github.requester.requestJsonAndCheck("POST", url, input=dict(body))


def _comment(found: IssueComment | PullRequestComment) -> Comment:
    return Comment(found.id, found.user.login if found.user else "", found.body or "")


def _check_run(run: GithubCheckRun) -> CheckRun:
    return CheckRun(run.id, run.external_id or "", run.output.annotations_count or 0)


def _output(told: Told, annotations: Sequence[Annotation]) -> dict[str, Any]:
    output: dict[str, Any] = {"title": told.title, "summary": told.summary}
    if annotations:
        output["annotations"] = [_annotation(one) for one in annotations]
    return output


def _annotation(one: Annotation) -> dict[str, Any]:
    columns = {"start_column": one.start_column, "end_column": one.end_column} if one.start_column else {}
    return {
        "path": one.path,
        "start_line": one.start_line,
        "end_line": one.end_line,
        "annotation_level": one.level,
        "title": one.title,
        "message": one.message,
        **columns,
    }


def _comment_to_lines(one: Suggestion) -> dict[str, Any]:
    several = {"start_line": one.line, "start_side": "RIGHT"} if one.end_line > one.line else {}
    return {"path": one.path, "line": one.end_line, "side": "RIGHT", "body": one.body, **several}


def _key(deployment: GithubDeployment) -> str:
    try:
        return str(deployment.payload.get("locktender") or "")
    except BadAttributeException:  # others put a text there
        return ""
