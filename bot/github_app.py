"""``Github`` by PyGithub, as a GitHub App: a JWT by its key buys a token for the repository's installation.

PyGithub's own retries are off; who calls tries again.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import requests
from github import Auth, BadAttributeException, Github, GithubException, GithubIntegration, RateLimitExceededException
from github.Repository import Repository

from bot.blobs import Blobs
from bot.github import Delivery, GithubAway, GithubFailed, GithubGone
from bot.protection import EVENT
from operations.approvals.held import Deployment, Run, Word
from operations.errors import ConfigurationError
from operations.secret import Secret
from operations.validation.folders import MOST_BYTES, Found, bounded

T = TypeVar("T")
TIMEOUT = 15
HOOK = "/app/hook/deliveries"
PERMISSIONS = {"actions": "read", "deployments": "write"}
TO_READ_FILES = {**PERMISSIONS, "contents": "read"}
FOLDER = "040000"
REGULAR = ("100644", "100755")
"""How git writes what an entry is."""
NOT_AS_DOCUMENTED = (
    BadAttributeException,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    AssertionError,
    RuntimeError,
)
NEXT = re.compile(r'[?&]cursor=([^&>]+)[^>]*>; *rel="next"')
"""Where the next page begins, in the header ``Link``."""
PER_PAGE = 100
GONE = (404, 409, 410, 422)
STALE = (401, 403, 404)


class _Own(threading.local):
    """A thread's own connections: PyGithub keeps a request in its connection before it sends it."""

    def __init__(self) -> None:
        self.integration: GithubIntegration | None = None
        self.clients: dict[tuple[str, bool], Github] = {}


class GithubApp:
    """Threads may share it."""

    def __init__(self, app_id: str, key: Secret, api_url: str) -> None:
        """Raises ``ConfigurationError`` for a key that is none."""
        self._auth = Auth.AppAuth(app_id, key.reveal())
        try:
            self._auth.create_jwt()
        except Exception:  # noqa: BLE001 - whatever it says may show the key
            raise ConfigurationError(
                "GITHUB_APP_PRIVATE_KEY is no private key.", hint="It is the whole of the .pem file that GitHub made."
            ) from None
        self._api_url = api_url
        self._own = _Own()
        self._blobs = Blobs()

    @property
    def _manner(self) -> dict[str, Any]:
        return {
            "base_url": self._api_url,
            "timeout": TIMEOUT,
            "retry": None,
            "seconds_between_requests": None,
            "seconds_between_writes": None,
            "user_agent": "locktender",
            "per_page": PER_PAGE,
            "lazy": True,
        }

    def run(self, repository: str, run_id: int) -> Run:
        """As in ``Github``."""

        def read() -> Run:
            told = self._repository(repository).get_workflow_run(run_id).raw_data
            return Run(
                repository=str(told["repository"]["full_name"]),
                commit=str(told["head_sha"]),
                attempt=int(told["run_attempt"]),
                actor=str((told.get("triggering_actor") or told["actor"])["login"]),
                url=str(told["html_url"]),
                event=str(told["event"]),
                branch=str(told.get("head_branch") or ""),
                source=str((told.get("head_repository") or {}).get("full_name") or ""),  # a fork may be gone
                workflow=str(told.get("path") or ""),
            )

        return self._called(f"read run {run_id}", read)

    def deployment(self, repository: str, id: int) -> Deployment:
        """As in ``Github``."""

        def read() -> Deployment:
            told = self._repository(repository).get_deployment(id).raw_data
            return Deployment(environment=str(told["environment"]), commit=str(told["sha"]))

        return self._called(f"read deployment {id}", read)

    def files(self, repository: str, commit: str, folder: str) -> Mapping[str, bytes]:
        """As in ``Github``: one request for each folder on the way, one for all below, and one for each new file."""

        def read() -> Mapping[str, bytes]:
            tree = self._folder(repository, commit, folder)
            below = self._repository(repository, files=True).get_git_tree(tree, recursive=True)
            if below.raw_data.get("truncated"):
                raise GithubGone(f"{folder} holds more files than GitHub lists.")
            found = [
                Found(one.path, int(one.size or 0), partial(self._blob, repository, str(one.sha)))
                for one in below.tree
                if one.type == "blob" and one.mode in REGULAR
            ]
            whole = bounded(found, ())
            if whole.too_large or whole.unread:
                raise GithubGone(f"{folder} is larger than a migrations folder may be (a file has {MOST_BYTES} bytes).")
            return whole.files

        return self._called(f"read {folder} of commit {commit[:12]}", read)

    def decide(self, repository: str, run_id: int, environment: str, word: Word, comment: str) -> None:
        """As in ``Github``. The address is made of repository and run, and of nothing that was received."""
        path = f"/repos/{quote(repository)}/actions/runs/{run_id}/{EVENT}"
        sent = {"environment_name": environment, "state": word, "comment": comment}
        requester = self._client(repository).requester
        self._called(f"decide about run {run_id}", lambda: requester.requestJsonAndCheck("POST", path, input=sent))

    def deliveries(self, most: int) -> Sequence[Delivery]:
        """As in ``Github``, a hundred at a time."""
        found: list[Delivery] = []
        cursor: str | None = ""
        while cursor is not None and len(found) < most:
            page, cursor = self._called("list the deliveries of webhooks", partial(self._deliveries, cursor))
            found += page
        return found

    def _deliveries(self, cursor: str) -> tuple[list[Delivery], str | None]:
        asked = {"per_page": PER_PAGE, **({"cursor": unquote(cursor)} if cursor else {})}
        headers, told = self._integration.requester.requestJsonAndCheck("GET", HOOK, parameters=asked)
        page = [Delivery(int(one["id"]), str(one["guid"]), str(one["event"]), int(one["status_code"])) for one in told]
        more = NEXT.search(str({key.lower(): value for key, value in headers.items()}.get("link", "")))
        return page, more[1] if more else None

    def redeliver(self, id: int) -> None:
        """As in ``Github``."""
        requester = self._integration.requester
        self._called(
            f"deliver webhook {id} again", lambda: requester.requestJsonAndCheck("POST", f"{HOOK}/{id}/attempts")
        )

    def _called(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except requests.RequestException as error:
            raise GithubAway(f"GitHub was asked to {what}, and did not answer: {type(error).__name__}.") from None
        except GithubException as error:
            if error.status in STALE:
                self._own.clients = {}  # it may have been installed anew
            raise _refusal(what, error) from None
        except NOT_AS_DOCUMENTED as error:
            told = f"GitHub was asked to {what}, and answered otherwise than it documents ({type(error).__name__})."
            raise GithubAway(told) from None

    def _folder(self, repository: str, commit: str, folder: str) -> str:
        place, tree = self._repository(repository, files=True), commit
        for name in (part for part in folder.split("/") if part not in ("", ".")):
            entry = next((one for one in place.get_git_tree(tree).tree if one.path == name), None)
            if entry is None or entry.mode != FOLDER:
                raise GithubGone(f"Commit {commit[:12]} has no folder {folder}.")
            tree = str(entry.sha)
        return tree

    def _blob(self, repository: str, sha: str) -> bytes:
        known = self._blobs.get((repository, sha))
        if known is None:
            blob = self._repository(repository, files=True).get_git_blob(sha)
            known = base64.b64decode(blob.content) if blob.encoding == "base64" else str(blob.content).encode()
            self._blobs.put((repository, sha), known)
        return known

    def _repository(self, name: str, *, files: bool = False) -> Repository:
        return self._client(name, files=files).get_repo(name)

    def _client(self, name: str, *, files: bool = False) -> Github:
        """With a token that may do no more than it must."""
        clients = self._own.clients
        if (name, files) not in clients:
            owner, _, short = name.partition("/")
            installation = self._called(
                f"find the App's installation in {name}",
                lambda: self._integration.get_repo_installation(owner, short).id,
            )
            auth = self._auth.get_installation_auth(installation, TO_READ_FILES if files else PERMISSIONS)
            clients[name, files] = Github(auth=auth, **self._manner)
        return clients[name, files]

    @property
    def _integration(self) -> GithubIntegration:
        if self._own.integration is None:
            self._own.integration = GithubIntegration(auth=self._auth, **self._manner)
        return self._own.integration


def _refusal(what: str, error: GithubException) -> GithubFailed:
    message = str(error.data.get("message") or "")[:200] if isinstance(error.data, dict) else ""
    told = f"GitHub was asked to {what}: {error.status} {message}".rstrip()
    if error.status in GONE:
        return GithubGone(told)
    if isinstance(error, RateLimitExceededException) or error.status == 429 or error.status >= 500:
        return GithubAway(told, _seconds(error))
    return GithubFailed(told)


def _seconds(error: GithubException) -> float | None:
    said = {key.lower(): value for key, value in (error.headers or {}).items()}.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else None
