"""Whether a request comes from Slack. Pure, and decided on the raw bytes, before anything of them is parsed.

Source of the scheme: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

from msgspec import Struct

from operations.secret import Secret

STAMP = "x-slack-request-timestamp"
SIGNATURE = "x-slack-signature"
BEHIND = 300
"""Seconds that a stamp may be old."""
AHEAD = 60
"""Seconds that a stamp may be ahead: clocks differ, but Slack does not sign for later."""
DIGITS = re.compile(r"[0-9]{1,12}")
SCHEME = re.compile(r"v0=[0-9a-f]{64}")


class Genuine(Struct, frozen=True):
    """Slack sent it. ``digest`` stands for this very request, so that it can be told from a second one; ``text`` is
    its body."""

    digest: str
    text: str


class Forged(Struct, frozen=True):
    """Nothing of it may be used. ``reason`` may be logged: it holds nothing of what was sent."""

    reason: str


def judge(secret: Secret, headers: Mapping[str, str], body: bytes, now: float) -> Genuine | Forged:
    """``headers`` by lower-case names; ``now`` in seconds since the epoch."""
    stamp, signature = headers.get(STAMP, ""), headers.get(SIGNATURE, "")
    if not DIGITS.fullmatch(stamp):
        return Forged("no time stamp, or none that is a number")
    if not SCHEME.fullmatch(signature):
        return Forged("no signature, or one of another form")
    age = now - int(stamp)
    if age > BEHIND:
        return Forged("too old")
    if age < -AHEAD:
        return Forged("ahead of time")
    signed = b"v0:" + stamp.encode("ascii") + b":" + body
    expected = "v0=" + hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        return Forged("signed by somebody else")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Forged("not UTF-8")
    return Genuine(hashlib.sha256(f"{stamp}:{signature}".encode()).hexdigest(), text)
