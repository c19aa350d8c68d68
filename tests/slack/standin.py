"""A stand-in for Slack: its Web API over real HTTP on the loopback interface, which refuses what Slack refuses."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import limits

TOKEN = "xoxb-stand-in"
APP_TOKEN = "xapp-stand-in"
TEAM = "T0TEAM"
BOT = "U0BOT"
TRIGGER_SECONDS = 60.0
"""Slack's own are good for three; a test must not fail because the machine is busy."""
RESPONSE_SECONDS, RESPONSE_USES = 1800.0, 5


@dataclass(frozen=True)
class Fault:
    """What a method does instead of its work; ``status`` 0 takes the line down without an answer."""

    error: str = ""
    status: int = 200
    retry_after: int | None = None
    containing: str = ""
    """Only for a call that says so: others may be under way."""
    after: bool = False
    """The work is done, and only its answer is lost."""
    hang: float = 0.0


@dataclass
class Posted:
    """A message as it stands now, and how often it was edited."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str | None = None
    edits: list[float] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def all_text(self) -> str:
        return json.dumps(self.blocks, ensure_ascii=False) + self.text

    @property
    def actions(self) -> dict[str, dict[str, Any]]:
        """Buttons and menus by their action id."""
        found = {}
        for block in self.blocks:
            for element in [*block.get("elements", ()), *filter(None, [block.get("accessory")])]:
                if "action_id" in element:
                    found[element["action_id"]] = {**element, "block_id": block.get("block_id", "")}
        return found


@dataclass
class View:
    id: str
    hash: str
    view: dict[str, Any]
    user: str


@dataclass
class SlackStandIn:
    """Everything that Slack knows; one lock around it all."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    messages: list[Posted] = field(default_factory=list)
    homes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What each person was shown in App Home, one after the other."""
    ephemerals: list[dict[str, Any]] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    rate: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Method to how many calls a channel takes in how many seconds; none by default."""
    address: str = "127.0.0.1"
    port: int = 0
    responded: int = 0
    """How often a ``response_url`` was used."""
    socket_url: str = ""
    """Where Socket Mode connects to."""

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._triggers: dict[str, float] = {}
        self._responses: dict[str, tuple[float, int, str, str]] = {}
        self._direct: dict[str, str] = {}
        self._counter = 0
        self._recent: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.add_channel("C0OPS")

    # --- what a test arranges -------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"http://{self.address}:{self.port}/api/"

    def add_user(self, id: str, **changes: Any) -> str:
        self.users[id] = {
            "id": id,
            "team_id": TEAM,
            "name": id.lower(),
            "deleted": False,
            "is_bot": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            **changes,
        }
        return id

    def add_channel(self, id: str, **changes: Any) -> str:
        self.channels[id] = {"id": id, "is_channel": True, "is_ext_shared": False, "member": True, **changes}
        return id

    def trigger(self) -> str:
        with self.lock:
            name = f"{uuid.uuid4().hex}.1"
            self._triggers[name] = time.monotonic() + TRIGGER_SECONDS
            return name

    def response_url(self, channel: str, user: str) -> str:
        with self.lock:
            name = uuid.uuid4().hex
            self._responses[name] = (time.monotonic() + RESPONSE_SECONDS, RESPONSE_USES, channel, user)
            return f"http://{self.address}:{self.port}/commands/{TEAM}/{name}"

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of a method, one after the other."""
        with self.lock:
            self.faults[method].extend(faults)

    def fault_for(self, method: str, arguments: dict[str, Any]) -> Fault | None:
        said = json.dumps(arguments)
        found = next((one for one in self.faults[method] if one.containing in said), None)
        if found:
            self.faults[method].remove(found)
        return found

    # --- what a test looks at -------------------------------------------------------------------------------------

    def of(self, channel: str, thread: str | None = None) -> list[Posted]:
        with self.lock:
            return [one for one in self.messages if one.channel == channel and one.thread_ts == thread]

    def direct_to(self, user: str) -> list[Posted]:
        with self.lock:
            return [one for one in self.messages if one.channel == self._direct.get(user)]

    def count(self, method: str) -> int:
        with self.lock:
            return sum(name == method for _, name, _ in self.calls)

    # --- the Web API ----------------------------------------------------------------------------------------------

    def answer(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        handler = getattr(self, "_" + method.replace(".", "_"), None)
        if handler is None:
            self.violations.append(f"unknown method {method}")
            return {"ok": False, "error": "unknown_method"}
        with self.lock:
            try:
                return {"ok": True, **handler(arguments)}
            except SlackRefused as refused:
                return {"ok": False, "error": refused.error}

    def limited(self, method: str, arguments: dict[str, Any]) -> bool:
        limit = self.rate.get(method)
        if limit is None:
            return False
        number, seconds = limit
        now = time.monotonic()
        recent = self._recent[method, arguments.get("channel", "")]
        recent[:] = [at for at in recent if at > now - seconds]
        if len(recent) >= number:
            return True
        recent.append(now)
        return False

    def _auth_test(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"team_id": TEAM, "user_id": BOT, "bot_id": "B0BOT", "url": "https://stand-in.example/", "team": "t"}

    def _apps_connections_open(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"url": self.socket_url}

    def _chat_postMessage(self, sent: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(sent)
        posted = Posted(channel, self._ts(), sent.get("text", ""), self._checked(sent), sent.get("thread_ts"), raw=sent)
        if posted.thread_ts and not self._find(channel, posted.thread_ts):
            raise SlackRefused("thread_not_found")
        self.messages.append(posted)
        return {"channel": channel, "ts": posted.ts, "message": {"text": posted.text}}

    def _chat_update(self, sent: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(sent)
        posted = self._find(channel, sent["ts"])
        if posted is None:
            raise SlackRefused("message_not_found")
        posted.blocks, posted.text, posted.raw = self._checked(sent), sent.get("text", ""), sent
        posted.edits.append(time.monotonic())
        return {"channel": channel, "ts": posted.ts, "text": posted.text}

    def _chat_postEphemeral(self, sent: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(sent)
        if sent["user"] not in self.users:
            raise SlackRefused("user_not_in_channel")
        blocks = self._checked(sent)
        self.ephemerals.append({"channel": channel, "user": sent["user"], "text": sent.get("text"), "blocks": blocks})
        return {"message_ts": self._ts()}

    def _views_open(self, sent: dict[str, Any]) -> dict[str, Any]:
        expires = self._triggers.pop(sent.get("trigger_id", ""), None)
        if expires is None:
            raise SlackRefused("exchanged_trigger_id")
        if time.monotonic() > expires:
            raise SlackRefused("expired_trigger_id")
        return self._stored(View(f"V{self._next():010}", "", self._view(sent), ""))

    def _views_update(self, sent: dict[str, Any]) -> dict[str, Any]:
        view = self.views.get(sent.get("view_id", ""))
        if view is None:
            raise SlackRefused("not_found")
        if sent.get("hash") not in (None, view.hash):
            raise SlackRefused("hash_conflict")
        view.view = self._view(sent)
        return self._stored(view)

    def _views_publish(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent["user_id"] not in self.users:
            raise SlackRefused("user_not_found")
        view = self._view(sent)
        if view["type"] != "home":
            raise SlackRefused("invalid_arguments")
        self.homes.setdefault(sent["user_id"], []).append(view)
        return {"view": {**view, "id": f"V{self._next():010}", "hash": "h"}}

    def _conversations_members(self, sent: dict[str, Any]) -> dict[str, Any]:
        channel = self.channels.get(sent.get("channel", ""))
        if channel is None:
            raise SlackRefused("channel_not_found")
        members = list(channel.get("members", self.users))
        begin = int(sent.get("cursor") or 0)
        end = begin + 3  # so that there is more than one page
        more = str(end) if end < len(members) else ""
        return {"members": members[begin:end], "response_metadata": {"next_cursor": more}}

    def _stored(self, view: View) -> dict[str, Any]:
        view.hash = f"{self._next()}.{uuid.uuid4().hex[:6]}"
        self.views = {**self.views, view.id: view}  # who looks at them holds no lock
        return {"view": {**view.view, "id": view.id, "hash": view.hash}}

    def _users_info(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent.get("user") not in self.users:
            raise SlackRefused("user_not_found")
        return {"user": self.users[sent["user"]]}

    def _conversations_info(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent.get("channel") not in self.channels:
            raise SlackRefused("channel_not_found")
        return {"channel": self.channels[sent["channel"]]}

    def _conversations_open(self, sent: dict[str, Any]) -> dict[str, Any]:
        user = sent.get("users", "")
        if user not in self.users:
            raise SlackRefused("user_not_found")
        channel = self._direct.setdefault(user, f"D{user[1:]}")
        self.channels.setdefault(channel, {"id": channel, "is_im": True, "member": True, "user": user})
        return {"channel": {"id": channel}}

    def _usergroups_users_list(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent.get("usergroup") not in self.groups:
            raise SlackRefused("no_such_subteam")
        return {"users": self.groups[sent["usergroup"]]}

    def _files_getUploadURLExternal(self, sent: dict[str, Any]) -> dict[str, Any]:
        name = f"F{self._next():010}"
        file = {"name": sent["filename"], "length": int(sent["length"]), "content": None}
        self.files = {**self.files, name: file}
        return {"upload_url": f"http://{self.address}:{self.port}/upload/{name}", "file_id": name}

    def _files_completeUploadExternal(self, sent: dict[str, Any]) -> dict[str, Any]:
        files = sent["files"] if isinstance(sent["files"], list) else json.loads(sent["files"])
        for one in files:
            file = self.files[one["id"]]
            if file["content"] is None or len(file["content"]) != file["length"]:
                raise SlackRefused("file_not_uploaded")
            file.update(channel=sent.get("channel_id"), thread_ts=sent.get("thread_ts"), title=one.get("title"))
        return {"files": [{"id": one["id"]} for one in files]}

    def respond(self, name: str, sent: dict[str, Any]) -> bool:
        """A POST to a ``response_url``."""
        with self.lock:
            self.responded += 1
            expires, uses, channel, user = self._responses.get(name, (0.0, 0, "", ""))
            if uses < 1 or time.monotonic() > expires:
                self.violations.append("a response_url used up or expired")
                return False
            self._responses[name] = (expires, uses - 1, channel, user)
            blocks = self._checked(sent)
            if sent.get("response_type") == "in_channel":
                self.messages.append(Posted(channel, self._ts(), sent["text"], blocks))
            else:
                self.ephemerals.append({"channel": channel, "user": user, "text": sent["text"], "blocks": blocks})
            return True

    # --- inside ---------------------------------------------------------------------------------------------------

    def _checked(self, sent: dict[str, Any]) -> list[dict[str, Any]]:
        blocks = sent.get("blocks", [])
        sent = {**sent, "blocks": json.loads(blocks) if isinstance(blocks, str) else blocks}
        problems = limits.of_message(sent)
        if problems:
            self.violations.extend(problems)
            raise SlackRefused("invalid_blocks")
        if sent.get("unfurl_links", False):
            self.violations.append("unfurl_links is on")
        found: list[dict[str, Any]] = sent["blocks"]
        return found

    def _view(self, sent: dict[str, Any]) -> dict[str, Any]:
        view = json.loads(sent["view"]) if isinstance(sent["view"], str) else sent["view"]
        problems = limits.of_view(view)
        if problems:
            self.violations.extend(problems)
            raise SlackRefused("invalid_arguments")
        found: dict[str, Any] = view
        return found

    def _channel(self, sent: dict[str, Any]) -> str:
        channel = self.channels.get(sent.get("channel", ""))
        if channel is None:
            raise SlackRefused("channel_not_found")
        if not channel["member"]:
            raise SlackRefused("not_in_channel")
        return str(channel["id"])

    def _find(self, channel: str, ts: str) -> Posted | None:
        return next((one for one in self.messages if (one.channel, one.ts) == (channel, ts)), None)

    def _ts(self) -> str:
        return f"{int(time.time())}.{self._next():06}"

    def _next(self) -> int:
        self._counter += 1
        return self._counter


class SlackRefused(Exception):
    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def running(served: SlackStandIn | None = None) -> Iterator[SlackStandIn]:  # noqa: C901
    """Serve it on a free port, of the loopback interface unless it says otherwise."""
    slack = served or SlackStandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path).path.strip("/").split("/")
            if parts[0] == "upload":
                slack.files[parts[1]]["content"] = _uploaded(self.headers.get("Content-Type", ""), body)
                self._say(200, b"OK")
            elif parts[0] == "commands":
                done = slack.respond(parts[2], json.loads(body))
                self._say(200 if done else 404, b"ok" if done else b"expired_url")
            else:
                self._method(parts[-1], body)

        do_GET = do_POST

        def _method(self, method: str, body: bytes) -> None:
            arguments = _arguments(self.headers.get("Content-Type", ""), body, urlsplit(self.path).query)
            with slack.lock:
                slack.calls.append((time.monotonic(), method, arguments))
                fault = slack.fault_for(method, arguments)
                limited = fault is None and slack.limited(method, arguments)
            if limited:
                fault = Fault(status=429, retry_after=1)
            if fault and fault.after:
                slack.answer(method, arguments)
            if fault:
                self._fault(fault)
            elif self.headers.get("Authorization") != f"Bearer {APP_TOKEN if method.startswith('apps.') else TOKEN}":
                self._json({"ok": False, "error": "invalid_auth"})
            else:
                self._json(slack.answer(method, arguments))

        def _fault(self, fault: Fault) -> None:
            time.sleep(fault.hang)
            more = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
            if fault.status == 0:
                self.close_connection = True
                self.connection.close()
            elif fault.status == 200:
                self._json({"ok": False, "error": fault.error})
            else:
                self._say(fault.status, json.dumps({"ok": False, "error": "ratelimited"}).encode(), more)

        def _json(self, told: dict[str, Any]) -> None:
            self._say(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A child that was killed leaves its line open; that is what some tests are about."""

    server = Server((slack.address, 0), Handler)
    slack.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _arguments(kind: str, body: bytes, query: str) -> dict[str, Any]:
    if kind.startswith("application/json"):
        found: dict[str, Any] = json.loads(body or b"{}")
        return found
    pairs = parse_qs(body.decode() if body else query, keep_blank_values=True)
    return {key: values[-1] for key, values in pairs.items()}


def _uploaded(kind: str, body: bytes) -> bytes:
    if "boundary=" not in kind:
        return body
    boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    part = body.split(boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
