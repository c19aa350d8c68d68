"""That Slack does not say who is who is no answer: nothing is decided by it, and it is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from bot import roster as rosters
from bot.admission import Caller
from bot.gate import guarded
from bot.house import House
from bot.roster import Roster
from bot.web_api import WebApi
from operations.adapters.ledger import PostgresLedger
from operations.approvals.asking import Door, ask, vote
from operations.approvals.model import Account, Request, State
from operations.approvals.people import Directory
from operations.context import Context
from operations.errors import NotNow
from operations.secret import Secret
from operations.settings import Approval, Environment, Settings

from .conftest import Server
from .folders import write_migration
from .ledger_worker import workshop_of
from .slack.stage import eventually
from .slack.standin import TEAM, TOKEN, Fault, SlackStandIn, running

ADA, BOB, CLEO = (Account("slack", id) for id in ("U0ADA", "U0BOB", "U0CLEO"))
POLICIES = {"deploy": Approval(approvers=("S0DBAS", "U0CLEO"), reason=False)}
BUSY = Fault(status=429, retry_after=0)
NO_ANSWERS = {
    "usergroups.users.list": [BUSY, Fault(status=500), Fault(status=0), Fault(error="internal_error")],
    "users.info": [BUSY],  # of others it is patient, and so would the test be
}


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with running() as made:
        for account in (ADA, BOB, CLEO):
            made.add_user(account.id)
        made.groups["S0DBAS"] = ["U0BOB"]
        yield made


@pytest.fixture
def shop(server18: Server, context_of: Callable[..., Context], monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(rosters, "KEPT", 0.0)
    monkeypatch.setattr(rosters, "AGAIN", 0.0)
    made = context_of(server18.url(server18.create()), approvals=POLICIES)
    write_migration(made, "20240101000000_init", "CREATE TABLE item (id int PRIMARY KEY);")
    return made


def roster_of(slack: SlackStandIn, environment: Environment) -> Roster:
    return Roster(WebApi(Secret(TOKEN), slack.api_url), Settings((environment,)))


def approved(ledger: PostgresLedger, roster: Roster, shop: Context) -> Request:
    """Asked for by ada, agreed to by bob, who is in the group."""
    workshop = replace(workshop_of(ledger, shop.environment), directory_of=lambda _: roster.fresh())
    asked = ask(Door(ledger, shop.environment, roster.fresh()), ADA, "deploy", {})
    workshop.handlers["plan"](asked.id)
    planned = ledger.request(asked.id)
    assert planned.state is State.PENDING, planned.why
    return vote(Door(ledger, shop.environment, roster.fresh()), asked.id, planned.version, BOB, agrees=True)


def handlers(ledger: PostgresLedger, roster: Roster, shop: Context) -> Any:
    workshop = replace(workshop_of(ledger, shop.environment), directory_of=lambda _: roster.fresh())
    return guarded(workshop.handlers, ledger, lambda person: roster.refusal(person, TEAM), lambda _: None)


@pytest.mark.parametrize("method", NO_ANSWERS)
def test_an_approved_request_waits_until_slack_says_who_is_who(
    slack: SlackStandIn, ledger: PostgresLedger, shop: Context, method: str
) -> None:
    roster = roster_of(slack, shop.environment)
    request = approved(ledger, roster, shop)
    execute = handlers(ledger, roster, shop)["execute"]
    for fault in NO_ANSWERS[method]:
        slack.fail(method, *[fault] * 5)
        execute(request.id)
        slack.faults[method].clear()
        assert ledger.request(request.id).state is State.APPROVED, ledger.request(request.id).why
    execute(request.id)
    request = ledger.request(request.id)
    assert request.state is State.DONE, request.why


def test_what_is_lost_from_the_queue_by_waiting_comes_back(
    slack: SlackStandIn, ledger: PostgresLedger, shop: Context
) -> None:
    roster = roster_of(slack, shop.environment)
    request = approved(ledger, roster, shop)
    worker = ledger.worker(handlers(ledger, roster, shop))
    slack.fail("usergroups.users.list", *[Fault(status=500)] * 50)
    worker.run(wait=False)
    assert ledger.request(request.id).state is State.APPROVED
    slack.faults["usergroups.users.list"].clear()
    assert ledger.sweep().requeued == (request.id,)
    worker.run(wait=False)
    assert ledger.request(request.id).state is State.DONE


def test_that_there_is_no_such_group_or_person_is_an_answer(
    slack: SlackStandIn, ledger: PostgresLedger, shop: Context
) -> None:
    roster = roster_of(slack, shop.environment)
    request = approved(ledger, roster, shop)
    slack.groups.clear()
    handlers(ledger, roster, shop)["execute"](request.id)
    voided = ledger.request(request.id)
    assert (voided.state, "may no longer approve" in voided.why) == (State.VOIDED, True)


def test_nobody_votes_and_nothing_is_voided_while_a_group_is_not_known(
    slack: SlackStandIn, ledger: PostgresLedger, shop: Context
) -> None:
    roster = roster_of(slack, shop.environment)
    first = Directory(unknown=frozenset({"S0DBAS"}))
    assert roster.directory() == first  # before Slack has been asked
    asked = ask(Door(ledger, shop.environment, roster.fresh()), ADA, "deploy", {})
    handlers(ledger, roster, shop)["plan"](asked.id)
    slack.fail("usergroups.users.list", Fault(status=429, retry_after=0))
    with pytest.raises(NotNow, match="S0DBAS"):
        vote(Door(ledger, shop.environment, roster.fresh()), asked.id, 1, CLEO, agrees=True)
    assert ledger.request(asked.id).state is State.PENDING
    assert vote(Door(ledger, shop.environment, roster.fresh()), asked.id, 1, CLEO, agrees=True).state is State.APPROVED


def test_all_that_must_be_known_at_once_is_asked_at_the_same_time(
    slack: SlackStandIn, ledger: PostgresLedger, shop: Context
) -> None:
    request = approved(ledger, roster_of(slack, shop.environment), shop)
    hurried = Roster(WebApi(Secret(TOKEN), slack.api_url), Settings((shop.environment,)), at_once=0.05)
    house = House(hurried.settings, ledger, hurried, TEAM)
    before = slack.count("users.info")
    slack.fail("users.info", *[Fault(hang=2.0, error="internal_error")] * 3)
    slack.fail("conversations.info", Fault(hang=2.0, error="internal_error"))
    with pytest.raises(NotNow, match="in time"):
        house.void_if_unfit(Caller("U0CLEO", TEAM, "C0OPS"), request)
    eventually(lambda: slack.count("users.info") == before + 3, "all three are asked about")
    eventually(lambda: slack.count("conversations.info") == 1, "and the channel")
    assert ledger.request(request.id).state is State.APPROVED
