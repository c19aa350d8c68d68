"""Progress in the thread: edited now and then, however often it changes and however many workers there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.convergence import BETWEEN_EDITS, Convergence
from bot.roster import Roster
from bot.web_api import WebApi
from operations.adapters.ledger import PostgresLedger
from operations.approvals.change import Change
from operations.approvals.deciding import ended, voted
from operations.approvals.model import Event, Outcome, Request, State, Vote
from operations.secret import Secret
from operations.settings import Settings

from .ledgers import BOB, environment, new, rules
from .slack.stage import OPS, eventually
from .slack.standin import TOKEN, Posted, SlackStandIn, running


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with running() as made:
        for account in ("UADA", "UBOB", "UCY"):
            made.add_user(account)
        yield made
        assert made.violations == []


@pytest.fixture
def workers(slack: SlackStandIn, ledger: PostgresLedger) -> Iterator[list[Convergence]]:
    web = WebApi(Secret(TOKEN), slack.api_url)
    made = [Convergence(ledger, web, Roster(web, Settings((environment(),)))) for _ in range(3)]
    for one in made:
        one.start()
    yield made
    for one in made:
        one.stop()


def begun(ledger: PostgresLedger) -> Request:
    made = ledger.create(new(environment(), messages=(("card", OPS),)))
    ledger.change(made.id, lambda r, _: voted(r, 1, Vote(BOB, True, "", 0.0), rules(environment())))
    return ledger.change(made.id, lambda *_: Change((Event.STARTED,)))


def thread(slack: SlackStandIn) -> list[Posted]:
    return [one for one in slack.messages if one.thread_ts]


def test_progress_is_edited_at_most_every_two_seconds_whoever_does_it_and_the_end_is_told(
    slack: SlackStandIn, ledger: PostgresLedger, workers: list[Convergence]
) -> None:
    request = begun(ledger)
    numbers = iter(range(10**6))

    def beaten() -> list[Posted]:
        ledger.beat(request.id, request.token or 0, f"row {next(numbers)}")
        return [one for one in thread(slack) if len(one.edits) >= 3]

    (progress,) = eventually(beaten, "three edits")
    ledger.change(request.id, lambda *_: ended(Event.DONE, request.token or 0, Outcome("restored")))
    eventually(lambda: "done" in progress.all_text, "the last word")
    assert next(numbers) > 2 * len(progress.edits), "it changed more often than it was edited"
    gaps = [later - earlier for earlier, later in zip(progress.edits, progress.edits[1:], strict=False)]
    assert min(gaps) >= BETWEEN_EDITS * 0.9  # the ledger has another clock
    assert ledger.request(request.id).state is State.DONE
