"""GitHub's side of an App: tokens for its installation, runs, and deployments that wait for its decision."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from .standin import StandIn

APP_ID = "12345"
INSTALLATION = 77


def private_key() -> str:
    """As GitHub makes one for an App."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def public_key(private: str) -> str:
    read = serialization.load_pem_private_key(private.encode(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return read.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


@dataclass
class App:
    """``waiting``: run and environment that no decision has come for; ``decisions``: all that came and was taken."""

    key: str
    tokens: dict[str, Mapping[str, str]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    waiting: set[tuple[int, str]] = field(default_factory=set)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    """Of its webhook, the newest first."""
    again: list[int] = field(default_factory=list)
    """Ids of deliveries that were to be repeated."""
    deliver: Callable[[int], None] = lambda _: None
    """What repeating one comes to."""

    def lets_in(self, header: str, path: str) -> bool:
        """With the App's own word for tokens and the installation, with a token for all else."""
        scheme, _, said = header.partition(" ")
        if path.startswith("/app/") or path.endswith("/installation"):
            return scheme == "Bearer" and self._is_ours(said)
        return scheme == "token" and said in self.tokens

    def _is_ours(self, said: str) -> bool:
        try:
            told = jwt.decode(said, self.key, algorithms=["RS256"], issuer=APP_ID)
        except jwt.PyJWTError:
            return False
        return bool(told["exp"] - time.time() <= 600)

    def wait(self, name: str, run: int, commit: str, there: str = "production", **changes: Any) -> None:
        """A run of a workflow in the repository of that name, whose job waits for the environment."""
        home = {"id": 1, "full_name": name}
        self.runs[run] = {
            "id": run,
            "repository": home,
            "head_repository": home,
            "head_sha": commit,
            "head_branch": "main",
            "event": "push",
            "path": ".github/workflows/deploy.yml",
            "run_attempt": 1,
            "triggering_actor": {"login": "ada"},
            "html_url": f"https://github.com/{name}/actions/runs/{run}",
            **changes,
        }
        self.waiting.add((run, there))

    def delivered(self, guid: str, status: int, event: str = "deployment_protection_rule") -> int:
        """A delivery of a webhook that was answered so; its id."""
        id = 1000 + len(self.deliveries)
        made = {
            "id": id,
            "guid": guid,
            "delivered_at": "2024-01-01T00:00:00Z",
            "redelivery": any(one["guid"] == guid for one in self.deliveries),
            "duration": 0.1,
            "status": "OK" if status == 200 else "failed to connect to host",
            "status_code": status,
            "event": event,
            "action": "requested",
            "installation_id": INSTALLATION,
            "repository_id": 1,
            "throttled_at": None,
        }
        self.deliveries.insert(0, made)
        return id

    def new_token(self, permissions: Mapping[str, str]) -> dict[str, Any]:
        token = f"ghs_{secrets.token_hex(20)}"
        self.tokens[token] = permissions
        return {"token": token, "expires_at": "2099-01-01T00:00:00Z", "permissions": dict(permissions)}


def _app(one: StandIn) -> App:
    assert one.state.app
    return one.state.app


def installation(one: StandIn, _: Any, __: Any) -> Any:
    return 200, {"id": INSTALLATION, "app_id": int(APP_ID)}, {}


def deliveries(one: StandIn, query: Mapping[str, str]) -> Any:
    """A page, and where the next one begins."""
    found, size = _app(one).deliveries, int(query.get("per_page", 30))
    at = int(query.get("cursor", "v1_0").removeprefix("v1_"))
    link = f'<{one.url}/app/hook/deliveries?per_page={size}&cursor=v1_{at + size}>; rel="next"'
    return 200, found[at : at + size], {"Link": link} if len(found) > at + size else {}


def redeliver(one: StandIn, id: str) -> Any:
    app = _app(one)
    if int(id) not in [made["id"] for made in app.deliveries]:
        return 422, {"message": "It is too old."}, {}
    app.again.append(int(id))
    threading.Thread(target=app.deliver, args=(int(id),), daemon=True).start()  # it is only accepted here
    return 202, {}, {}


def access_token(one: StandIn, sent: Any, id: str) -> Any:
    return (201, _app(one).new_token(sent["permissions"]), {}) if int(id) == INSTALLATION else (404, {}, {})


def run(one: StandIn, _: Any, __: Any, id: str) -> Any:
    return 200, _app(one).runs[int(id)], {}


def deployment(one: StandIn, _: Any, __: Any, id: str) -> Any:
    return 200, one.state.deployments[int(id)], {}


def decide(one: StandIn, sent: Any, _: Any, id: str) -> Any:
    app, key = _app(one), (int(id), sent["environment_name"])
    if key not in app.waiting:
        return 422, {"message": "No pending deployment requests to approve or reject"}, {}
    app.waiting.remove(key)
    app.decisions.append({"run": int(id), **sent})
    return 204, None, {}
