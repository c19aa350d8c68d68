"""What does not come from Slack, just now and for the first time, is refused before anything of it is parsed."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from bot.signature import AHEAD, BEHIND, Forged, Genuine, judge
from operations.secret import Secret

SECRET = Secret("8f742231b10e8888abcd99yyyzzz85a5")
NOW = 1_531_420_618.0
BODY = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&text=r%C3%BCckg%C3%A4ngig"

STAMPS = ("", "abc", "-1", "1e9", "٣", "9" * 400, "1531420618\n")
SIGNATURES = ("", "v0=", "v0=é" + "0" * 63, "v1=" + "0" * 64, "v0=" + "A" * 64)


def signed(body: bytes = BODY, stamp: str = "1531420618", secret: str = SECRET.reveal()) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}


def test_what_slack_signed_is_taken_and_has_a_digest_of_its_own() -> None:
    first, second = judge(SECRET, signed(), BODY, NOW), judge(SECRET, signed(stamp="1531420619"), BODY, NOW)
    assert isinstance(first, Genuine)
    assert isinstance(second, Genuine)
    assert first.text == BODY.decode()
    assert first.digest != second.digest
    assert judge(SECRET, signed(), BODY, NOW + 1) == first


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        (signed(secret="another"), BODY),
        (signed(), BODY + b"x"),
        ({**signed(), "x-slack-request-timestamp": "1531420617"}, BODY),
        *(({**signed(), "x-slack-request-timestamp": stamp}, BODY) for stamp in STAMPS),
        *(({**signed(), "x-slack-signature": signature}, BODY) for signature in SIGNATURES),
        (signed(b"\xff\xfe"), b"\xff\xfe"),
        ({}, b"ssl_check=1&token=x"),
    ],
)
def test_everything_else_is_refused_and_nothing_raises(headers: dict[str, str], body: bytes) -> None:
    verdict = judge(SECRET, headers, body, NOW)
    assert isinstance(verdict, Forged)
    assert "text=" not in verdict.reason


@pytest.mark.parametrize(
    ("ago", "taken"), [(BEHIND, True), (BEHIND + 1, False), (-AHEAD, True), (-AHEAD - 1, False), (-299, False)]
)
def test_a_stamp_is_good_for_five_minutes_and_hardly_ahead(ago: int, taken: bool) -> None:
    assert isinstance(judge(SECRET, signed(), BODY, NOW + ago), Genuine) is taken
