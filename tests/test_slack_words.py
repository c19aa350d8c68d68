"""What is typed after the command, and from where something may be said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bot.admission import Caller, may_decide, refusal, usable
from bot.words import BY_NAME, Asked, Misunderstood, parse, time_and_reason
from operations.secret import Secret
from operations.settings import Environment, Slack

BOTH = ("production", "staging")


@pytest.mark.parametrize(
    ("typed", "environments", "asked"),
    [
        ("", BOTH, Asked(BY_NAME["help"])),
        ("status", BOTH, Asked(BY_NAME["status"])),
        ("status", ("production",), Asked(BY_NAME["status"], "production")),
        ("STATUS  staging", BOTH, Asked(BY_NAME["status"], "staging")),
        ("restore production latest", BOTH, Asked(BY_NAME["restore"], "production", "latest")),
        ("restore latest", ("production",), Asked(BY_NAME["restore"], "production", "latest")),
        ("<@U0BOT> freeze production 2h a sale", BOTH, Asked(BY_NAME["freeze"], "production", "2h a sale")),
        ("history", ("production",), Asked(BY_NAME["history"])),
    ],
)
def test_commands_are_understood(typed: str, environments: tuple[str, ...], asked: Asked) -> None:
    assert parse(typed, environments) == asked


@pytest.mark.parametrize(
    ("typed", "meant"), [("statsu", "status"), ("drop everything", None), ("status prodcution", "status")]
)
def test_what_is_not_understood_says_what_may_be_meant(typed: str, meant: str | None) -> None:
    found = parse(typed, BOTH)
    assert isinstance(found, Misunderstood)
    assert found.meant == meant


def test_a_freeze_begins_with_its_length() -> None:
    assert time_and_reason("1h30m launch day") == ("1h30m", "launch day")
    assert time_and_reason("launch day") == (None, "launch day")


HERE = Caller("U0ADA", "T0TEAM", "C0OPS")


@pytest.mark.parametrize(
    "caller",
    [
        replace(HERE, user=""),
        replace(HERE, user="<!channel>"),
        replace(HERE, team="T0OTHER"),
        replace(HERE, home="T0OTHER"),
        replace(HERE, shared=True),
    ],
)
def test_strangers_are_refused(caller: Caller) -> None:
    assert refusal(HERE, "T0TEAM") is None
    assert refusal(caller, "T0TEAM")


def test_an_environment_is_only_there_in_its_channels_and_workspaces() -> None:
    anywhere = Environment("staging", Secret(""), "m", "b")
    ops = replace(anywhere, name="production", slack=Slack(channels=("C0OPS",), teams=("T0TEAM",)))
    assert usable((ops, anywhere), HERE) == (ops, anywhere)
    assert usable((ops, anywhere), replace(HERE, channel="C0LUNCH")) == (anywhere,)
    assert usable((ops, anywhere), replace(HERE, team="T0OTHER")) == (anywhere,)
    assert usable((ops,), replace(HERE, channel="D0ADA")) == ()
    assert may_decide(ops, replace(HERE, channel="D0ADA"))
    assert not may_decide(ops, replace(HERE, channel="C0LUNCH"))
