"""Slack fails at random, workers die at random: in the end every message says what the ledger says."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from bot.blocks.request import HEADLINES
from operations.approvals.model import ENDED, State

from ..conftest import Server
from ..slack.stage import ADA, BOB, OPS, Stage, eventually, staged
from ..slack.standin import Fault, Posted
from .scale import count

pytestmark = pytest.mark.campaign
REQUESTS = 40
METHODS = (
    "chat.postMessage",
    "chat.update",
    "chat.postEphemeral",
    "conversations.open",
    "users.info",
    "conversations.info",
)
FAULTS = (
    Fault(status=429, retry_after=1),
    Fault(status=500),
    Fault(status=503, after=True),
    Fault(status=0),
    Fault(status=0, after=True),
    Fault(error="internal_error"),
    Fault(hang=2.0, status=500),
)
LAST = 400.0
"""Seconds until everything must be true: a dead worker's messages and jobs are taken over after a minute or so."""


@pytest.mark.timeout(3600)
def test_in_the_end_every_message_says_what_the_ledger_says(tmp_path: Path, server18: Server) -> None:
    dice = random.Random(41)
    target, ledger = server18.url(server18.create()), server18.url(server18.create())
    policy = 'requests_per_hour = 1000\n[environments.production.approvals.backup]\napprovers = ["bob"]\n'
    with staged(tmp_path, target, ledger, environment=policy) as stage:
        stage.bot()
        workers = [stage.worker(), stage.worker()]
        for number in range(count(REQUESTS)):
            storm(stage, dice)
            assert stage.command(f"backup production number {number:03}").status == 200
            decide(stage, f"number {number:03}", dice)
            if dice.random() < 0.2:
                victim = dice.randrange(2)
                workers[victim].kill()
                workers[victim].wait()
                workers[victim] = stage.worker()
        with stage.slack.lock:
            stage.slack.faults.clear()
        until = time.monotonic() + LAST
        for request in stage.ledger.history(limit=1000):
            eventually(lambda request=request: is_true(stage, request.id), f"{request}", until - time.monotonic())  # type: ignore[misc]


def storm(stage: Stage, dice: random.Random) -> None:
    for method in METHODS:
        for _ in range(dice.randrange(3)):
            stage.slack.fail(method, dice.choice(FAULTS))


def decide(stage: Stage, reason: str, dice: random.Random) -> None:
    """Approved, taken back, or left alone."""
    fate = dice.random()
    if fate < 0.7:
        stage.press(eventually(lambda: decidable(stage, reason), reason, LAST), "approve", BOB)
    elif fate < 0.85:
        stage.press(eventually(lambda: decidable(stage, reason), reason, LAST), "cancel", ADA)


def decidable(stage: Stage, reason: str) -> Posted | None:
    """The newest card about it that can be decided on; there may be older ones that nobody knows of any more."""
    return next((m for m in reversed(stage.slack.of(OPS)) if reason in m.all_text and "approve" in m.actions), None)


def is_true(stage: Stage, request_id: str) -> bool:
    """Whether the request has come as far as it can, and each message that the ledger knows says so."""
    request = stage.ledger.request(request_id)
    if request.state not in ENDED | {State.PENDING}:
        return False
    known = stage.ledger.messages(request_id)
    if any(one.shown < one.wanted for one in known):
        return False
    shown = {(one.channel, one.ts): one for one in stage.slack.messages}
    for one in known:
        if one.kind == "card":
            message = shown[OPS, str(one.ts)]
            assert HEADLINES[request.state] in message.all_text, (request, message.all_text)
            assert ("approve" in message.actions) == (request.state is State.PENDING)
    return any(one.kind == "card" and one.ts for one in known)
