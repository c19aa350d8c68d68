"""GitHub on the loopback: one repository, kept in memory, its commits read from a real git repository.

Every request is judged by GitHub's own description (``openapi.py``), and may be answered by a fault instead: before it
was obeyed, or after, so that only the answer is lost.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from . import app
from .app import App
from .openapi import complaints

OWN_LOGIN = "github-actions[bot]"
TOKEN = "ghs_canaryToken0123456789abcdefghij"
PER_PAGE = 30
"""What GitHub gives unless asked for more."""
WRITES = ("POST", "PATCH", "DELETE")


@dataclass
class Fault:
    """The next ``times`` requests that match are answered so. ``after``: they are obeyed nevertheless.

    ``status`` 0 is no answer at all within the time that we wait, -1 a connection that is closed.
    """

    status: int
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    after: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default_factory=lambda: {"message": "A fault"})

    def takes(self, method: str, path: str) -> bool:
        if self.times <= 0 or not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.times -= 1
        return True


@dataclass
class State:
    """What the repository holds."""

    name: str = "ada/shop"
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    review_comments: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    check_runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[int, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    heads: dict[int, str] = field(default_factory=dict)
    patches: dict[str, str] = field(default_factory=dict)
    read_only: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What GitHub's description has against the requests."""
    faults: list[Fault] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Bodies of all requests, for looking for secrets."""
    serial: int = 100
    app: App | None = None
    """Where it is an App that asks, and no workflow."""

    def next_id(self) -> int:
        self.serial += 1
        return self.serial

    def add_comment(self, body: str, login: str) -> dict[str, Any]:
        id = self.next_id()
        made = {"id": id, "body": body, "user": _user(login), "html_url": "https://github.com/x"}
        self.comments[id] = made
        return made


def _user(login: str) -> dict[str, Any]:
    return {"login": login, "id": 1, "type": "Bot" if login.endswith("[bot]") else "User"}


class NotThere(Exception):
    """404."""


@dataclass
class StandIn:
    """A running one."""

    state: State
    url: str
    repository: Path | None = None

    def git(self, *words: str) -> bytes:
        if self.repository is None:
            raise NotThere
        done = subprocess.run(["git", "-C", str(self.repository), *words], capture_output=True, check=False, timeout=60)
        if done.returncode:
            raise NotThere
        return done.stdout


@contextmanager
def standing_in(repository: Path | None = None) -> Iterator[StandIn]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    stand_in = StandIn(State(), f"http://127.0.0.1:{server.server_address[1]}", repository)
    server.stand_in = stand_in  # type: ignore[attr-defined]
    server.lock = threading.RLock()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits until its head is acknowledged, up to 40 ms

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # whoever asked did not wait
            super().handle()

    def _serve(self) -> None:
        state: State = self.server.stand_in.state  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:  # type: ignore[attr-defined]
            fault, answer = self._answered(state, body)
        if fault and fault.status == 0:
            self.connection.settimeout(120)
            self.connection.recv(1)  # until whoever asked gives up
            self.close_connection = True
            return
        if fault and fault.status < 0:
            self.close_connection = True
            return
        self._send(*answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _answered(self, state: State, body: bytes) -> tuple[Fault | None, tuple[int, Any, Mapping[str, str]]]:
        path = urlsplit(self.path).path
        state.requests.append((self.command, path))
        state.texts.append(f"{self.path}\n{body.decode(errors='replace')}")
        fault = next((one for one in state.faults if one.takes(self.command, path)), None)
        if fault and not fault.after:
            return fault, (fault.status, fault.body, fault.headers)
        answer = self._obeyed(state, body)
        if fault and fault.status > 0:
            return fault, (fault.status, fault.body, fault.headers)
        return fault, answer

    def _obeyed(self, state: State, body: bytes) -> tuple[int, Any, Mapping[str, str]]:
        path, word = urlsplit(self.path).path, self.headers.get("Authorization", "")
        if not (state.app.lets_in(word, path) if state.app else word == f"token {TOKEN}"):
            return 401, {"message": "Bad credentials"}, {}
        if self.path == "/graphql":
            return 200, {"data": {"viewer": {"login": OWN_LOGIN}}}, {}
        found = list(complaints(self.command, self.path, body, dict(self.headers.items())))
        state.wrong += found
        if found:
            return 422, {"message": "; ".join(found)}, {}
        if state.read_only and self.command in WRITES:
            return 403, {"message": "Resource not accessible by integration"}, {}
        return self._routed(state, json.loads(body or b"{}"))

    def _routed(self, state: State, sent: dict[str, Any]) -> tuple[int, Any, Mapping[str, str]]:
        parts = urlsplit(self.path)
        prefix = f"/repos/{state.name}"
        if (token := re.fullmatch(r"/app/installations/(\d+)/access_tokens", parts.path)) and state.app:
            return app.access_token(self.server.stand_in, sent, token[1])  # type: ignore[attr-defined, no-any-return]
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if state.app and parts.path == "/app/hook/deliveries":
            return app.deliveries(self.server.stand_in, query)  # type: ignore[attr-defined, no-any-return]
        if state.app and (again := re.fullmatch(r"/app/hook/deliveries/(\d+)/attempts", parts.path)):
            return app.redeliver(self.server.stand_in, again[1])  # type: ignore[attr-defined, no-any-return]
        if not parts.path.startswith(prefix):
            return 404, {"message": "Not Found"}, {}
        for method, pattern, work in ROUTES:
            match = re.fullmatch(pattern, parts.path[len(prefix) :])
            if match and method == self.command:
                try:
                    answer = work(self.server.stand_in, sent, query, *map(unquote, match.groups()))  # type: ignore[attr-defined]
                except (NotThere, KeyError):
                    return 404, {"message": "Not Found"}, {}
                return self._paged(answer, query, parts.path) if isinstance(answer, list) else answer
        return 404, {"message": "Not Found"}, {}

    def _paged(self, found: list[Any], query: Mapping[str, str], path: str) -> tuple[int, Any, Mapping[str, str]]:
        size, page = int(query.get("per_page", PER_PAGE)), int(query.get("page", 1))
        more = len(found) > size * page
        rest = "&".join(f"{key}={value}" for key, value in query.items() if key != "page")
        link = f'<{self.server.stand_in.url}{path}?{rest}&page={page + 1}>; rel="next"'  # type: ignore[attr-defined]
        return 200, found[size * (page - 1) : size * page], {"Link": link} if more else {}

    def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        data = b"" if status == 204 else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)


Answer = tuple[int, Any, Mapping[str, str]] | list[Any]
Query = Mapping[str, str]


def _list_comments(one: StandIn, _: Any, __: Query, number: str) -> Answer:
    return list(one.state.comments.values()) if int(number) in one.state.heads else (404, {}, {})


def _create_comment(one: StandIn, sent: Any, _: Query, number: str) -> Answer:
    if len(sent["body"]) > 65536:
        return 422, {"message": "Body is too long (maximum is 65536 characters)"}, {}
    return 201, one.state.add_comment(sent["body"], OWN_LOGIN), {}


def _edit_comment(one: StandIn, sent: Any, _: Query, id: str) -> Answer:
    one.state.comments[int(id)]["body"] = sent["body"]
    return 200, one.state.comments[int(id)], {}


def _get_comment(one: StandIn, _: Any, __: Query, id: str) -> Answer:
    return 200, one.state.comments[int(id)], {}


def _delete_comment(one: StandIn, _: Any, __: Query, id: str) -> Answer:
    del one.state.comments[int(id)]
    return 204, None, {}


def _get_pull(one: StandIn, _: Any, __: Query, number: str) -> Answer:
    head = one.state.heads[int(number)]
    return (
        200,
        {"number": int(number), "url": f"{one.url}/repos/{one.state.name}/pulls/{number}", "head": {"sha": head}},
        {},
    )


def _get_files(one: StandIn, _: Any, __: Query, number: str) -> Answer:
    return [{"filename": name, "patch": patch, "sha": "0" * 40} for name, patch in one.state.patches.items()]


def _get_review_comments(one: StandIn, _: Any, __: Query, number: str) -> Answer:
    return list(one.state.review_comments)


def _create_review(one: StandIn, sent: Any, _: Query, number: str) -> Answer:
    if not all(_in_a_hunk(one.state.patches, comment) for comment in sent.get("comments", ())):
        return 422, {"message": "Unprocessable Entity", "errors": ["Line could not be resolved"]}, {}
    made = {"id": one.state.next_id(), **sent}
    one.state.reviews.append(made)
    for comment in sent.get("comments", ()):
        one.state.review_comments.append({"id": one.state.next_id(), "user": _user(OWN_LOGIN), **comment})
    return 200, made, {}


def _in_a_hunk(patches: Mapping[str, str], comment: Mapping[str, Any]) -> bool:
    """Whether all lines of a comment are shown by the same hunk of the file's diff."""
    wanted = {comment["line"], comment.get("start_line", comment["line"])}
    for hunk in re.split(r"(?m)^@@ ", patches.get(comment["path"], ""))[1:]:
        head, *lines = hunk.removesuffix("\n").split("\n")
        begin = int(head.split("+")[1].split(" ")[0].split(",")[0])
        count = sum(not line.startswith(("-", "\\")) for line in lines)
        if wanted <= set(range(begin, begin + count)):
            return True
    return False


def _too_long(sent: Any) -> Answer | None:
    """https://github.com/github/docs/issues/35252: the limit is one of bytes."""
    if len((sent.get("output") or {}).get("summary", "").encode()) <= 65535:
        return None
    error = {"resource": "CheckRun", "field": "summary", "message": "summary exceeds a maximum bytesize of 65535"}
    return 422, {"message": "Validation Failed", "errors": [error]}, {}


def _create_check_run(one: StandIn, sent: Any, _: Query) -> Answer:
    if refused := _too_long(sent):
        return refused
    made = {"id": one.state.next_id(), **sent}
    made["annotations"] = list((sent.get("output") or {}).pop("annotations", ()))
    one.state.check_runs[made["id"]] = made
    return 201, _check_run(made), {}


def _check_run(made: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in made.items() if key != "annotations"}
    shown["output"] = {**(made.get("output") or {}), "annotations_count": len(made["annotations"])}
    return shown


def _update_check_run(one: StandIn, sent: Any, _: Query, id: str) -> Answer:
    if refused := _too_long(sent):
        return refused
    made = one.state.check_runs[int(id)]
    output = sent.get("output") or {}
    made["annotations"] += output.pop("annotations", ())
    made.update({**sent, "output": {**(made.get("output") or {}), **output}})
    return 200, _check_run(made), {}


def _list_check_runs(one: StandIn, _: Any, query: Query, sha: str) -> Answer:
    found = [
        _check_run(run)
        for run in one.state.check_runs.values()
        if run["head_sha"] == sha and run["name"] == query.get("check_name", run["name"])
    ]
    return 200, {"total_count": len(found), "check_runs": found}, {}


def _create_deployment(one: StandIn, sent: Any, _: Query) -> Answer:
    made = {"id": one.state.next_id(), "sha": sent["ref"], "task": "deploy", **sent}
    made["url"] = f"{one.url}/repos/{one.state.name}/deployments/{made['id']}"
    one.state.deployments[made["id"]] = made
    one.state.statuses[made["id"]] = []
    return 201, made, {}


def _list_deployments(one: StandIn, _: Any, query: Query) -> Answer:
    return [
        made
        for made in one.state.deployments.values()
        if made["sha"] == query.get("sha", made["sha"])
        and made["environment"] == query.get("environment", made["environment"])
    ]


def _create_status(one: StandIn, sent: Any, _: Query, id: str) -> Answer:
    if len(sent.get("description", "")) > 140:
        return 422, {"message": "description is too long"}, {}
    made = {"id": one.state.next_id(), **sent}
    one.state.statuses[int(id)].insert(0, made)
    return 201, made, {}


def _tree(one: StandIn, _: Any, query: Query, sha: str) -> Answer:
    options = ["-r", "-t"] if query.get("recursive") else []
    listed = one.git("ls-tree", *options, "-l", "-z", sha)
    entries = []
    for line in filter(None, listed.split(b"\0")):
        about, _tab, name = line.partition(b"\t")
        mode, kind, blob, size = about.decode().split()
        entry = {"path": name.decode(), "mode": mode, "type": kind, "sha": blob}
        entries.append(entry if size == "-" else {**entry, "size": int(size)})
    return 200, {"sha": sha, "url": "", "tree": entries, "truncated": False}, {}


def _blob(one: StandIn, _: Any, __: Query, sha: str) -> Answer:
    data = one.git("cat-file", "blob", sha)
    return 200, {"sha": sha, "encoding": "base64", "content": base64.encodebytes(data).decode(), "size": len(data)}, {}


def _git_commit(one: StandIn, _: Any, __: Query, sha: str) -> Answer:
    head = one.git("cat-file", "commit", sha).decode().partition("\n\n")[0]
    parents = [{"sha": line.split()[1]} for line in head.splitlines() if line.startswith("parent ")]
    return 200, {"sha": sha, "parents": parents}, {}


def _commit(one: StandIn, _: Any, __: Query, ref: str) -> Answer:
    sha = one.git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").decode().strip()
    return 200, {"sha": sha, "url": f"{one.url}/repos/{one.state.name}/commits/{sha}"}, {}


def _compare(one: StandIn, _: Any, __: Query, both: str) -> Answer:
    base, _dots, head = both.partition("...")
    return 200, {"merge_base_commit": {"sha": one.git("merge-base", base, head).decode().strip()}, "url": "x"}, {}


Route = tuple[str, str, Callable[..., Answer]]
ROUTES: tuple[Route, ...] = (
    ("GET", r"/issues/(\d+)/comments", _list_comments),
    ("POST", r"/issues/(\d+)/comments", _create_comment),
    ("GET", r"/issues/comments/(\d+)", _get_comment),
    ("PATCH", r"/issues/comments/(\d+)", _edit_comment),
    ("DELETE", r"/issues/comments/(\d+)", _delete_comment),
    ("GET", r"/pulls/(\d+)", _get_pull),
    ("GET", r"/pulls/(\d+)/files", _get_files),
    ("GET", r"/pulls/(\d+)/comments", _get_review_comments),
    ("POST", r"/pulls/(\d+)/reviews", _create_review),
    ("POST", r"/check-runs", _create_check_run),
    ("PATCH", r"/check-runs/(\d+)", _update_check_run),
    ("GET", r"/commits/([^/]+)/check-runs", _list_check_runs),
    ("GET", r"/commits/([^/]+)", _commit),
    ("POST", r"/deployments", _create_deployment),
    ("GET", r"/deployments", _list_deployments),
    ("GET", r"/deployments/(\d+)/statuses", lambda one, _, __, made: list(one.state.statuses[int(made)])),
    ("POST", r"/deployments/(\d+)/statuses", _create_status),
    ("GET", r"/git/trees/([^/]+)", _tree),
    ("GET", r"/git/blobs/([^/]+)", _blob),
    ("GET", r"/git/commits/([^/]+)", _git_commit),
    ("GET", r"/compare/([^/]+)", _compare),
    ("GET", r"/installation", app.installation),
    ("GET", r"/actions/runs/(\d+)", app.run),
    ("POST", r"/actions/runs/(\d+)/deployment_protection_rule", app.decide),
    ("GET", r"/deployments/(\d+)", app.deployment),
)
