"""App Home while Slack does not say who is where, or take what there is to show: nobody sees more or less by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from bot import roster as rosters
from bot.answers import Answers
from bot.asks import Ask
from bot.home import Home
from bot.roster import Roster
from bot.web_api import WebApi
from operations.adapters.ledger import PostgresLedger
from operations.context import Context
from operations.errors import DatabaseUnreachable, NotNow
from operations.ports import Report
from operations.secret import Secret
from operations.settings import Environment, Settings, Slack

from .slack.stage import ADA, BOB, OPS, eventually
from .slack.standin import TEAM, TOKEN, Fault, SlackStandIn, running

SHOP = Environment("production", Secret("postgresql://u:p@h/d"), "/m", "/b", slack=Slack(channels=(OPS,)))
NO_ANSWER = Fault(error="missing_scope")


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with running() as made:
        made.add_user(ADA)
        made.add_user(BOB)
        made.channels[OPS]["members"] = [ADA]
        yield made


@pytest.fixture
def roster(slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch) -> Roster:
    monkeypatch.setattr(rosters, "KEPT", 0.0)
    monkeypatch.setattr(rosters, "AGAIN", 0.0)
    return Roster(WebApi(Secret(TOKEN), slack.api_url), Settings((SHOP,)))


@pytest.fixture
def looks(ledger: PostgresLedger) -> list[float]:
    """When a look had begun, by the ledger."""
    return []


@pytest.fixture
def home(ledger: PostgresLedger, roster: Roster, looks: list[float]) -> Home:
    @contextmanager
    def out_of_reach(_name: str, _actor: str, _report: Report) -> Iterator[Context]:
        looks.append(ledger.now())
        if looks:
            raise DatabaseUnreachable("It is out of reach.")
        yield

    answers = Answers(roster.settings, ledger, roster.slack, roster, out_of_reach, TEAM)
    return Home(roster.settings, ledger, ledger.homes, roster.slack, roster, answers)


def shown(slack: SlackStandIn, person: str = ADA) -> str:
    return json.dumps(slack.homes.get(person, [""])[-1])


def show(home: Home, person: str = ADA) -> None:
    home.open(Ask("home", "home", "", "", person))


def changed(home: Home) -> None:
    """So that the page would say something else."""
    home.homes.keep("production", {**home.homes.looks()["production"], "verdict": "as good as new"})


def test_that_slack_does_not_say_who_is_in_a_channel_is_no_answer(slack: SlackStandIn, roster: Roster) -> None:
    slack.fail("conversations.members", NO_ANSWER)
    with pytest.raises(NotNow, match="who is where"):
        roster.sees(ADA, SHOP, TEAM)
    assert (roster.sees(ADA, SHOP, TEAM), roster.sees(BOB, SHOP, TEAM)) == (True, False)
    slack.fail("conversations.members", NO_ANSWER)
    assert roster.sees(ADA, SHOP, TEAM), "as it was"
    slack.fail("conversations.members", Fault(error="channel_not_found"))
    assert not roster.sees(ADA, SHOP, TEAM), "that there is no such channel is an answer"


def test_an_environment_is_seen_in_its_workspaces_only(slack: SlackStandIn, roster: Roster) -> None:
    def seen(*teams: str) -> bool:
        return roster.sees(ADA, replace(SHOP, slack=Slack(channels=(OPS,), teams=teams)), TEAM)

    assert (seen(TEAM), seen("T0OTHER"), seen("E0ORG")) == (True, False, False)
    slack.users[ADA]["enterprise_user"] = {"enterprise_id": "E0ORG"}
    assert seen("E0ORG")


def test_a_page_that_slack_did_not_take_is_drawn_again(slack: SlackStandIn, home: Home) -> None:
    show(home)
    changed(home)
    slack.fail("views.publish", NO_ANSWER)
    home.round()
    assert "as good as new" not in shown(slack)
    eventually(lambda: again(home) or "as good as new" in shown(slack), "it is shown after all")


def again(home: Home) -> None:
    """As when leases have ended."""
    with home.ledger._pool.connection() as connection:  # type: ignore[attr-defined]
        connection.execute("UPDATE homes SET leased_until = now() - interval '1 second'")
    home.round()


def test_a_page_stays_as_it_is_while_slack_does_not_say_who_sees_it(
    slack: SlackStandIn, home: Home, roster: Roster
) -> None:
    show(home)
    assert "production" in shown(slack)
    roster._said.clear()  # another worker's
    slack.fail("conversations.members", NO_ANSWER)
    home.round()
    assert len(slack.homes[ADA]) == 2
    assert "production" in shown(slack)


@pytest.mark.parametrize("unfit", [{"deleted": True}, {"is_restricted": True}])
def test_nothing_more_is_shown_to_who_may_see_nothing_any_more(
    slack: SlackStandIn, home: Home, unfit: dict[str, bool]
) -> None:
    show(home)
    slack.users[ADA].update(unfit)
    changed(home)
    home.round()
    assert "Nothing is shown" in shown(slack)
    assert "as good as new" not in shown(slack)


def test_what_ends_during_a_look_was_not_seen_by_it(home: Home, looks: list[float]) -> None:
    show(home)
    assert home.homes.looks()["production"]["at"] <= looks[0]


def test_nothing_ends_the_keeping_of_pages(
    slack: SlackStandIn, home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(home)
    look = home.homes.looks()["production"]
    home.homes.keep("production", {**look, "at": "never"})  # as another version may have left it
    rounds = home.rounds()
    rounds.start()
    try:
        eventually(lambda: "an error of its own" in caplog.text)
        home.homes.keep("production", {**look, "verdict": "as good as new"})
        eventually(lambda: again(home) or "as good as new" in shown(slack))
    finally:
        rounds.stop()
