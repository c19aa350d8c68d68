"""A stage for black-box tests: a stand-in for Slack, a ledger, a target, and the real bot and workers as processes."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from operations.adapters.ledger import PostgresLedger
from operations.database_url import parse_database_url
from operations.secret import Secret

from ..ports import free_port
from .standin import APP_TOKEN, TEAM, TOKEN, Posted, SlackStandIn, running

ROOT = Path(__file__).resolve().parents[2]
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
ADA, BOB, CLEO, DAN = "U0ADA", "U0BOB", "U0CLEO", "U0DAN"
OPS = "C0OPS"
PATIENCE = float(os.environ.get("LOCKTENDER_TEST_PATIENCE", "90"))
T = TypeVar("T")

CONFIGURATION = """\
[environments.production]
database_url = "env:TARGET_URL"
migrations = {migrations}
backup_dir = {backups}
{environment}

[environments.production.slack]
channels = ["C0OPS"]

[environments.production.backups]
test_restore = "never"
jobs = 1

[environments.production.approvals.restore]
approvers = ["bob", "U0CLEO"]
{restore}

[environments.production.approvals.deploy]
approvers = ["bob", "U0CLEO"]

[environments.production.approvals.rollback]
approvers = ["bob", "U0CLEO"]

{more}

[people.bob]
slack = ["U0BOB", "U0BOB2"]
"""


def eventually(look: Callable[[], T | None], what: str = "", patience: float = PATIENCE) -> T:
    """What ``look`` returns once it is true."""
    until = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"it did not come to that in {patience} s: {what or look}")
        time.sleep(0.05)


@dataclass
class Answered:
    """What the bot answered to one request of Slack."""

    status: int
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body) if self.body else {}
        return found

    @property
    def text(self) -> str:
        return str(self.json.get("text", "")) if self.body[:1] == b"{" else self.body.decode()


@dataclass
class Stage:
    """``bot()`` and ``worker()`` start processes; the rest speaks to them as Slack does."""

    directory: Path
    slack: SlackStandIn
    target: Secret
    ledger_url: Secret
    settings: Mapping[str, str] = field(default_factory=dict)
    """What goes into ``environment``, ``restore`` and ``more`` of the configuration."""
    environ: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = 0
    worker_port: int = 0

    def __post_init__(self) -> None:
        self.ledger = PostgresLedger(parse_database_url(self.ledger_url), connections=4).open()

    # --- processes ------------------------------------------------------------------------------------------------

    @property
    def configuration(self) -> Path:
        path = self.directory / "locktender.toml"
        values = {"environment": "", "restore": "", "more": "", **self.settings}
        (self.directory / "migrations").mkdir(exist_ok=True)
        path.write_text(
            CONFIGURATION.format(
                migrations=json.dumps(str(self.directory / "migrations")),
                backups=json.dumps(str(self.directory / "backups")),
                **values,
            )
        )
        return path

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"log-{len(self.processes)}").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", *arguments],
                cwd=ROOT,
                env={
                    **os.environ,
                    "SLACK_BOT_TOKEN": TOKEN,
                    "SLACK_SIGNING_SECRET": SIGNING,
                    "SLACK_API_URL": self.slack.api_url,
                    "LOCKTENDER_CONFIG": str(self.configuration),
                    "LOCKTENDER_LEDGER_URL": self.ledger_url.reveal(),
                    "LOCKTENDER_BOT_ADDRESS": "127.0.0.1",
                    "LOCKTENDER_BOT_THREADS": "12",
                    "LOCKTENDER_SLACK_AT_ONCE": "60",
                    "TARGET_URL": self.target.reveal(),
                    **self.environ,
                    **environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def bot(self, *, socket_mode: bool = False, **environ: str) -> subprocess.Popen[bytes]:
        if socket_mode:
            environ |= {"SLACK_APP_TOKEN": APP_TOKEN, "SLACK_SIGNING_SECRET": ""}
        self.port = free_port()
        process = self.start(PORT=str(self.port), **environ)
        eventually(lambda: self._alive(process) and self.get("/readyz") == 200, "the bot is ready")
        return process

    def worker(self, **environ: str) -> subprocess.Popen[bytes]:
        return self.start("worker", **environ)

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=PATIENCE)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("log-*")))

    def get(self, path: str, port: int = 0) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def page(self, path: str, port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def _alive(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.logs()
        return True

    # --- what Slack sends -----------------------------------------------------------------------------------------

    def signed(self, body: bytes, stamp: float | None = None, secret: str = SIGNING) -> dict[str, str]:
        at = str(int(time.time() if stamp is None else stamp))
        digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest}"}

    def post(
        self, body: bytes, headers: Mapping[str, str], kind: str = "application/x-www-form-urlencoded"
    ) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest("POST", "/slack/events", skip_accept_encoding=True)
            for key, value in {**headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                connection.putheader(key, value.encode("utf-8"))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answered(answer.status, answer.read())
        finally:
            connection.close()

    def send(self, fields: Mapping[str, str]) -> Answered:
        body = urlencode(fields).encode()
        return self.post(body, self.signed(body))

    def command(self, text: str, user: str = ADA, channel: str = OPS, **changes: str) -> Answered:
        """``/db TEXT``."""
        return self.send({**self.fields(text, user, channel), **changes})

    def fields(self, text: str, user: str = ADA, channel: str = OPS) -> dict[str, str]:
        """What Slack tells of a command."""
        return {
            "command": "/db",
            "text": text,
            "user_id": user,
            "team_id": TEAM,
            "channel_id": channel,
            "trigger_id": self.slack.trigger(),
            "response_url": self.slack.response_url(channel, user),
            "nonce": os.urandom(6).hex(),
        }

    def interact(self, payload: Mapping[str, Any]) -> Answered:
        return self.send({"payload": json.dumps(payload)})

    def press(self, message: Posted, action: str, user: str, **changes: Any) -> Answered:
        """A button of a message; ``value`` and the like may be tampered with."""
        element = eventually(lambda: message.actions.get(action), f"a button {action} on {message.text}")
        sent = {key: element[key] for key in ("action_id", "block_id", "value") if key in element}
        return self.interact(
            {
                "type": "block_actions",
                "user": {"id": user, "team_id": TEAM},
                "team": {"id": TEAM},
                "channel": {"id": message.channel},
                "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
                "trigger_id": self.slack.trigger(),
                "actions": [{**sent, "type": element["type"], "action_ts": str(time.time()), **changes}],
            }
        )

    def submit(self, view_id: str, values: Mapping[str, str], user: str, **changes: Any) -> Answered:
        """A filled form."""
        view = self.slack.views[view_id].view
        menus = {
            block["block_id"] for block in view["blocks"] if (block.get("element") or {}).get("type") == "static_select"
        }
        state = {
            name: {name: {"selected_option": {"value": value}} if name in menus else {"value": value}}
            for name, value in values.items()
        }
        return self.interact(
            {
                "type": "view_submission",
                "user": {"id": user, "team_id": TEAM},
                "team": {"id": TEAM},
                "nonce": os.urandom(6).hex(),
                "view": {
                    **view,
                    "id": view_id,
                    "callback_id": view["callback_id"],
                    "private_metadata": view["private_metadata"],
                    "state": {"values": state},
                    **changes,
                },
            }
        )

    # --- what can be seen -----------------------------------------------------------------------------------------

    def card(self, containing: str, channel: str = OPS, after: int = 0) -> Posted:
        """The newest message of a channel that says so."""

        def look() -> Posted | None:
            return next((one for one in reversed(self.slack.of(channel)[after:]) if containing in one.all_text), None)

        return eventually(look, f"{containing!r} in {channel}: {[one.text for one in self.slack.of(channel)]}")

    def form(self, callback: str = "ask") -> str:
        """The id of the newest form that was filled."""

        def look() -> str | None:
            with self.slack.lock:
                views = list(self.slack.views.values())
            return next((one.id for one in reversed(views) if one.view["callback_id"] == callback), None)

        return eventually(look, f"a form {callback}: {[one.view for one in self.slack.views.values()]}")

    def in_thread(self, card: Posted, containing: str) -> Posted:
        def look() -> Posted | None:
            return next((one for one in self.slack.of(card.channel, card.ts) if containing in one.all_text), None)

        return eventually(look, f"{containing!r} in the thread")


@contextmanager
def staged(
    directory: Path, target: Secret, ledger_url: Secret, environ: Mapping[str, str] | None = None, **settings: str
) -> Iterator[Stage]:
    """Everything but the processes; they are ended with it, and what Slack would have refused fails the test."""
    with running() as slack:
        for person in (ADA, BOB, "U0BOB2", CLEO, DAN):
            slack.add_user(person)
        stage = Stage(directory, slack, target, ledger_url, settings, dict(environ or {}))
        try:
            yield stage
        finally:
            for process in stage.processes:
                process.kill()
                process.wait()
            stage.ledger.close()
    assert slack.violations == []
    assert "Traceback" not in stage.logs(), stage.logs()
    said = json.dumps([one.raw for one in slack.messages]) + json.dumps(slack.ephemerals)
    for secret in (target, ledger_url):
        assert secret.reveal() not in stage.logs() + said
        assert (parse_database_url(secret).password or secret).reveal() not in stage.logs() + said
    assert slack.responded == 0, "an address that came with a request was called"
