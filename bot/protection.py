"""GitHub's webhook ``deployment_protection_rule``: whether GitHub sent it, and which deployment it holds back. Pure.

Sources: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_protection_rule

Of what is sent only names and numbers are taken. Which commit it is GitHub is asked for, and where the answer goes is
made up by us: an address that is another one than ours is a reason to take nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any

from operations.approvals.held import Held
from operations.errors import UsageError
from operations.secret import Secret
from operations.settings import REPOSITORY, Environment

EVENT = "deployment_protection_rule"
SCHEME = re.compile(r"sha256=[0-9a-f]{64}")
RUN = re.compile(r"/actions/runs/([0-9]{1,18})/deployment_protection_rule")
LARGEST_NUMBER = 2**63


class NotOurs(UsageError):
    """Well-formed and genuine, and about nothing that is configured here."""


def is_genuine(secret: Secret, signature: str, body: bytes) -> bool:
    """``signature`` is the header ``X-Hub-Signature-256``."""
    if not SCHEME.fullmatch(signature):
        return False
    expected = hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}", signature)


def held(body: bytes, api_url: str, environments: Sequence[Environment]) -> Held | None:
    """What is held back; ``None`` for an action that holds nothing back. Raises ``UsageError``, ``NotOurs``."""
    try:
        sent = json.loads(body)
        if sent["action"] != "requested":
            return None
        repository, there = _text(sent["repository"]["full_name"]), _text(sent["environment"])
        deployment, callback = sent["deployment"]["id"], _text(sent["deployment_callback_url"])
    except (ValueError, KeyError, TypeError):
        raise UsageError("It is not what GitHub documents.") from None
    run = RUN.search(callback)
    if not REPOSITORY.fullmatch(repository) or not _is_id(deployment) or run is None:
        raise UsageError("It is not what GitHub documents.")
    if callback != callback_url(api_url, repository, int(run[1])):
        raise UsageError("Its answer would go to another address than GitHub's.")
    chosen = next((one for one in environments if means(one, repository, there)), None)
    if chosen is None:
        raise NotOurs("No environment here is deployed from there.")
    return Held(chosen.name, repository, there, int(run[1]), deployment)


def callback_url(api_url: str, repository: str, run_id: int) -> str:
    """Where GitHub takes the decision about a run."""
    return f"{api_url.rstrip('/')}/repos/{repository}/actions/runs/{run_id}/{EVENT}"


def means(environment: Environment, repository: str, there: str) -> bool:
    """Whether it is deployed from there. GitHub's names know no case."""
    github = environment.github
    if github is None:
        return False
    return (github.repository.lower(), (github.environment or environment.name).lower()) == (
        repository.lower(),
        there.lower(),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 500:
        raise TypeError
    return value


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 < value < LARGEST_NUMBER
