"""What somebody may do in a channel: what `help` shows, and which forms are opened at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bot.admission import Caller
from bot.asks import Ask
from bot.forms import form_of
from bot.house import House
from bot.roster import Roster
from bot.web_api import WebApi
from operations.adapters.ledger import PostgresLedger
from operations.approvals.asking import freeze
from operations.approvals.model import Account
from operations.context import Context
from operations.errors import NotAllowed
from operations.secret import Secret
from operations.settings import Approval, BreakGlass, Environment, Person, Settings, Slack

TEAM = "T0TEAM"
ADA = Account("slack", "U0ADA")
PEOPLE = tuple(Person(name, slack=(f"U0{name.upper()}",)) for name in ("ada", "bob", "cleo", "eve"))
SHOP = Environment(
    "production",
    Secret("postgresql://u:p@h/d"),
    "/m",
    "/b",
    slack=Slack(channels=("C0OPS",)),
    approvals={
        "restore": Approval(approvers=("bob", "cleo"), requesters=("ada",)),
        "deploy": Approval(approvers=("bob",)),
    },
    break_glass=BreakGlass(members=("eve",), operations=("restore", "rollback"), required=0),
)
LOOKS = {"status", "check", "backups", "report", "history", "pending", "help", "backup", "verify", "freeze"}


@pytest.fixture
def house(ledger: PostgresLedger) -> House:
    settings = Settings((SHOP,), people=PEOPLE)
    return House(settings, ledger, Roster(WebApi(Secret("xoxb-1"), "http://127.0.0.1:9/"), settings), TEAM)


def at(user: str) -> Caller:
    return Caller(user, TEAM, "C0OPS")


@pytest.mark.parametrize(
    ("user", "more"),
    [
        ("U0ADA", {"restore", "deploy", "unfreeze"}),
        ("U0BOB", {"unfreeze"}),  # nobody else could approve a deploy of his
        ("U0CLEO", {"deploy", "unfreeze"}),
        ("U0EVE", {"restore", "rollback", "deploy", "unfreeze"}),  # in an emergency
        ("U0NEW", {"deploy", "unfreeze"}),
    ],
)
def test_help_shows_what_somebody_may_do_and_nothing_else(house: House, user: str, more: set[str]) -> None:
    assert {verb.name for verb in house.allowed((SHOP,), at(user))} == LOOKS | more


def test_a_freeze_is_lifted_by_who_may_and_shown_to_nobody_else(house: House, ledger: PostgresLedger) -> None:
    freeze(house.door(SHOP), Account("slack", "U0EVE"), "launch day")
    may = {user for user in ("U0ADA", "U0BOB", "U0EVE") if "unfreeze" in shown(house, user)}
    assert may == {"U0BOB", "U0EVE"}


def shown(house: House, user: str) -> set[str]:
    return {verb.name for verb in house.allowed((SHOP,), at(user))}


def test_no_form_is_opened_in_vain_and_one_for_an_emergency_is(house: House) -> None:
    for user, operation in (("U0ADA", "rollback"), ("U0BOB", "restore"), ("U0NEW", "restore"), ("U0ADA", "apply")):
        with pytest.raises(NotAllowed):
            house.refuse_form(at(user), SHOP, operation)  # type: ignore[arg-type]
    for user, operation in (("U0ADA", "restore"), ("U0EVE", "restore"), ("U0EVE", "rollback")):
        house.refuse_form(at(user), SHOP, operation)  # type: ignore[arg-type]


def test_a_form_offers_an_emergency_to_who_may_and_wants_the_database_named(
    house: House, context_of: Callable[..., Context]
) -> None:
    context = replace(context_of(SHOP.database_url), environment=SHOP)
    door = house.door(SHOP)

    def fields(user: str, verb: str) -> set[str]:
        ask = Ask("form", verb, "production", "C0OPS", user)
        modal = form_of(ask, context, door, door.directory.person(Account("slack", user)))
        assert modal.metadata == f"{verb}:production:C0OPS:{'' if verb == 'freeze' else 'd'}"
        return {str(block["block_id"]) for block in modal.blocks if block["type"] == "input"}

    assert fields("U0EVE", "rollback") == {"loss", "reason", "urgency", "name"}
    assert fields("U0ADA", "deploy") == {"reason", "name"}
    assert fields("U0ADA", "freeze") == {"length", "reason"}
    with pytest.raises(NotAllowed):
        form_of(Ask("form", "rollback", "production", "C0OPS", "U0ADA"), context, door, door.directory.person(ADA))
