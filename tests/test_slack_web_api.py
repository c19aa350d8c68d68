"""What Slack refuses becomes an error of ours that says whether trying again helps; no secret leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.blocks.notices import notice
from bot.blocks.parts import Message
from bot.roster import Roster, unfit
from bot.slack import Profile, SlackAway, SlackBusy, SlackFailed, SlackGone
from bot.variables import variables
from bot.web_api import WebApi
from operations.errors import ConfigurationError
from operations.secret import Secret
from operations.settings import Approval, Environment, Settings

from .slack.standin import TEAM, TOKEN, Fault, SlackStandIn, running


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    with running() as made:
        made.add_user("U0ADA")
        made.groups["S0DBAS"] = ["U0ADA"]
        yield made


@pytest.fixture
def api(slack: SlackStandIn) -> WebApi:
    return WebApi(Secret(TOKEN), slack.api_url, (Secret("pass/word"),))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=429, retry_after=7), SlackBusy),
        (Fault(status=500), SlackAway),
        (Fault(status=502), SlackAway),
        (Fault(status=0), SlackAway),
        (Fault(error="internal_error"), SlackAway),
        (Fault(error="channel_not_found"), SlackGone),
        (Fault(error="is_archived"), SlackGone),
        (Fault(error="invalid_blocks"), SlackFailed),
    ],
)
def test_each_refusal_is_of_its_kind(slack: SlackStandIn, api: WebApi, fault: Fault, kind: type[SlackFailed]) -> None:
    slack.fail("chat.postMessage", fault)
    with pytest.raises(SlackFailed) as caught:
        api.post("C0OPS", notice("hello"))
    assert type(caught.value) is kind
    if isinstance(caught.value, SlackBusy):
        assert caught.value.seconds == 7.0


def test_a_wrong_token_is_told_without_it(slack: SlackStandIn) -> None:
    with pytest.raises(SlackFailed, match="invalid_auth") as caught:
        WebApi(Secret("xoxb-wrong"), slack.api_url).team()
    assert "xoxb" not in str(caught.value)


def test_secrets_are_redacted_from_whatever_is_sent(slack: SlackStandIn, api: WebApi) -> None:
    made = notice("it is pass/word, they say", "try pass/word")
    assert isinstance(made, Message)
    _, ts = api.post("U0ADA", made)
    (sent,) = slack.direct_to("U0ADA")
    assert sent.ts == ts
    assert "pass/word" not in sent.all_text
    assert "***" in sent.all_text


PROFILE = Profile("U0ADA", TEAM)


def test_whose_account_may_do_something(slack: SlackStandIn, api: WebApi) -> None:
    assert unfit(api.profile("U0ADA"), TEAM) is None
    assert unfit(PROFILE, "E0OTHER")
    for flag in (
        {"deleted": True},
        {"is_bot": True},
        {"is_restricted": True},
        {"is_ultra_restricted": True},
        {"team_id": "T2"},
    ):
        slack.add_user("U0ODD", **flag)
        assert unfit(api.profile("U0ODD"), TEAM), flag


def test_a_group_that_does_not_exist_has_nobody_in_it(slack: SlackStandIn, api: WebApi) -> None:
    approvals = {"restore": Approval(approvers=("S0DBAS", "S0GONE"))}
    environment = Environment("production", Secret(""), "m", "b", approvals=approvals)
    roster = Roster(api, Settings((environment,)))
    assert roster.fresh().members(["S0DBAS", "S0GONE"]) == {"slack:U0ADA"}


def test_all_that_is_missing_at_the_start_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        variables({"PORT": "http"})
    for part in ("SLACK_BOT_TOKEN", "LOCKTENDER_LEDGER_URL", "SLACK_SIGNING_SECRET", "PORT"):
        assert part in caught.value.message
    given = {
        "SLACK_BOT_TOKEN": "t",
        "SLACK_SIGNING_SECRET": "s",
        "LOCKTENDER_LEDGER_URL": "u",
        "LOCKTENDER_SLACK_COMMAND": "dba",
    }
    assert variables(given).command == "/dba"
