"""What GitHub is told of a deployment that it holds back: a real ledger and target, and a stand-in for GitHub alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from github.Requester import HTTPRequestsConnectionClass
from msgspec.structs import replace

from bot import doorkeeper
from bot.admission import Caller
from bot.ask_queue import AskQueue
from bot.blobs import EACH, Blobs
from bot.doorkeeper import LEASE, Doorkeeper, Placing
from bot.github import Delivery, GithubAway
from bot.github_app import GithubApp
from bot.house import House as HouseOfBot
from bot.opener import Opener
from bot.protection import EVENT
from bot.reception import Reception
from bot.redelivery import MOST, TRIES, Redelivery, lost
from bot.roster import Roster
from bot.web_api import WebApi
from bot.wiring import contexts
from operations.adapters.ledger import PostgresLedger
from operations.adapters.ledger_connection import keywords_of
from operations.agreement import held_back
from operations.approvals.asking import Door, cancel, vote
from operations.approvals.change import Change
from operations.approvals.held import Deployment, Held, Run, arguments, binding, mismatch
from operations.approvals.model import Account, Event, Request, State
from operations.database_url import parse_database_url
from operations.errors import DatabaseUnreachable
from operations.executing import Workshop, begin, plan
from operations.secret import Secret
from operations.settings import App as App_
from operations.settings import Environment, Github
from operations.settings_file import load

from .action.app import APP_ID, App, private_key, public_key
from .action.openapi import DescriptionMissing, description
from .action.runner import Repository
from .action.standin import Fault, StandIn, standing_in
from .conftest import Server, missing
from .folders import LOCK_FILE
from .slack.stage import PATIENCE, eventually

CONFIGURATION = """
[environments.production]
database_url = "env:TARGET_URL"
migrations = "{directory}/migrations"
backup_dir = "{directory}/backups"
[environments.production.slack]
channels = ["C0OPS"]
[environments.production.approvals.deploy]
approvers = ["bob", "U0CLEO"]
[environments.production.github]
repository = "Ada/Shop"
{more}
[people.ada]
slack = "U0ADA"
github = "ada"
[people.bob]
slack = "U0BOB"
github = "bob"
"""
MIGRATION = {
    "prisma/migrations/migration_lock.toml": LOCK_FILE,
    "prisma/migrations/20240101000000_one/migration.sql": "CREATE TABLE one (id int PRIMARY KEY);\n",
}
DECIDE = r"/deployment_protection_rule$"


def harmless(_: str) -> None:
    return None


@dataclass
class House:
    """A worker's doorkeeper, called by hand."""

    directory: Path
    github: StandIn
    ledger: PostgresLedger
    ledger_url: Secret
    target: Secret
    key: str
    commit: str
    keeper: Doorkeeper = field(init=False)

    def __post_init__(self) -> None:
        self.configured()

    def configured(self, more: str = "", refusal: Callable[[str], str | None] = harmless) -> None:
        path = self.directory / "locktender.toml"
        path.write_text(CONFIGURATION.format(directory=self.directory, more=more))
        settings = load(path, {"TARGET_URL": self.target.reveal()})
        roster = Roster(WebApi(Secret("xoxb-1"), "http://127.0.0.1:9/"), settings)
        app = GithubApp(APP_ID, Secret(self.key), self.github.url)
        workshop = Workshop(
            self.ledger, contexts(settings, path, self.ledger), lambda _: roster.fresh(), placed=Placing(app)
        )
        self.keeper = Doorkeeper(self.ledger, self.ledger.held, app, workshop, roster, refusal, (self.target,))

    @property
    def app(self) -> App:
        assert self.github.state.app
        return self.github.state.app

    def hold(self, deployment: int = 501, run: int = 9001, **changes: Any) -> None:
        self.app.wait(self.github.state.name, run, self.commit, **changes)
        self.github.state.deployments[deployment] = {
            "id": deployment,
            "environment": "production",
            "sha": self.commit,
        }
        assert self.ledger.held.hold(Held("production", "ada/shop", "production", run, deployment))

    def round(self) -> None:
        """All that is held back is due, and dealt with."""
        self.sql("UPDATE held_deployments SET due = '-infinity'")
        for _ in self.rows():
            self.keeper.round()

    def sql(self, statement: str, *values: object) -> None:
        with self.ledger._transaction() as connection:
            connection.execute(statement.encode(), values)

    def rows(self) -> list[tuple[str | None, str | None]]:
        """Answer and request of each, in their order."""
        with self.ledger._transaction() as connection:
            return connection.execute("SELECT answer, request_id FROM held_deployments ORDER BY id").fetchall()

    @property
    def counts(self) -> tuple[int, int]:
        """Of the only one: tries in a row that went wrong, and those that found nothing."""
        with self.ledger._transaction() as connection:
            ((tries, gone),) = connection.execute("SELECT tries, gone FROM held_deployments").fetchall()
        return tries, gone

    @property
    def answers(self) -> list[str | None]:
        return [answer for answer, _ in self.rows()]

    @property
    def told(self) -> list[str]:
        """What GitHub has taken in."""
        return [one["state"] for one in self.app.decisions]

    @property
    def posts(self) -> int:
        return len([path for method, path in self.github.state.requests if path.endswith("protection_rule")])

    def request(self) -> Request:
        """The newest, planned."""
        (newest, *_) = self.ledger.history()
        plan(self.keeper.workshop, newest.id)
        return self.ledger.request(newest.id)

    def door(self) -> Door:
        roster = self.keeper.roster
        return Door(self.ledger, roster.settings.environments[0], roster.directory())

    def approve(self) -> Request:
        request = self.request()
        return vote(self.door(), request.id, request.version, Account("slack", "U0BOB"), True)

    def approved(self, deployment: int = 501, **changes: Any) -> Request:
        """Held back, asked for, and agreed to."""
        self.hold(deployment, **changes)
        self.round()
        return self.approve()

    def ended(self, request: Request) -> None:
        """Begun by the run, and failed."""
        workshop = self.keeper.workshop
        with workshop.context_of("production", "ada", lambda _: None) as context:
            context = workshop.placed(context, request)
            begun = begin(self.ledger, self.door().directory, context, request)
        assert begun
        assert begun.state is State.RUNNING
        self.ledger.change(begun.id, lambda *_: Change((Event.FAILED,), token=begun.token, any_time=True))

    def state(self, request: Request) -> State:
        return self.ledger.request(request.id).state


@pytest.fixture(scope="module")
def key() -> str:
    return private_key()


@dataclass(frozen=True)
class Ground:
    """What all houses stand on, one after the other; nothing is ever deployed to ``target``."""

    origin: Path
    commit: str
    target: Secret


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Ground:
    try:
        description()
    except DescriptionMissing as lack:
        missing(str(lack))
    repository = Repository.create(tmp_path_factory.mktemp("github") / "origin", MIGRATION)
    commit = repository.commit({"README": "x"})
    return Ground(repository.path, commit, server18.url(server18.create()))


@pytest.fixture
def house(tmp_path: Path, ground: Ground, ledger: PostgresLedger, ledger_url: Secret, key: str) -> Iterator[House]:
    (tmp_path / "migrations").mkdir()
    with standing_in(ground.origin) as github:
        github.state.app = App(public_key(key))
        yield House(tmp_path, github, ledger, ledger_url, ground.target, key, ground.commit)
        assert github.state.wrong == []


FEW = 2


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them takes its time."""
    monkeypatch.setattr(doorkeeper, "MOST_TRIES", FEW)


def test_an_approval_of_an_attempt_does_not_open_the_next_one(house: House) -> None:
    request = house.approved()
    house.app.runs[9001] |= {"run_attempt": 2, "triggering_actor": {"login": "bob"}}
    house.round()
    assert (house.told, house.posts, house.answers) == ([], 0, ["gone"])
    assert house.state(request) is State.VOIDED


def test_a_denial_of_an_attempt_does_not_reject_the_next_one(house: House) -> None:
    house.hold()
    house.round()
    request = house.request()
    vote(house.door(), request.id, request.version, Account("slack", "U0BOB"), False, "no")
    house.app.runs[9001]["run_attempt"] = 2
    house.round()
    assert (house.posts, house.answers) == (0, ["gone"])


def test_what_is_taken_back_while_it_is_looked_at_is_not_let_through(house: House) -> None:
    def meanwhile(_: str) -> None:
        cancel(house.door(), request.id, Account("slack", "U0ADA"))

    request = house.approved()
    house.configured(refusal=meanwhile)
    house.round()
    assert (house.told, house.state(request)) == (["rejected"], State.CANCELLED)


def test_what_runs_out_while_it_is_looked_at_is_not_let_through(house: House) -> None:
    def meanwhile(_: str) -> None:
        house.sql("UPDATE requests SET expires_at = clock_timestamp() WHERE id = %s", request.id)

    request = house.approved()
    house.configured(refusal=meanwhile)
    house.round()
    assert (house.posts, house.answers) == (0, [None])
    house.ledger.sweep()
    house.round()
    assert (house.told, house.answers) == (["rejected"], ["rejected"])


def test_what_github_does_not_find_for_a_while_is_looked_for_again(house: House) -> None:
    house.approved()
    for what in (r"/actions/runs/\d+$", r"/deployments/\d+$", r"/git/trees/"):
        house.github.state.faults.append(Fault(404, "GET", what))
        house.round()
        assert (house.posts, house.answers) == (0, [None])
    house.round()
    assert (house.told, house.answers) == (["approved"], ["approved"])


@pytest.mark.usefixtures("few_tries")
def test_what_github_never_finds_is_rejected_and_void(house: House) -> None:
    request = house.approved()
    house.github.state.faults.append(Fault(404, "GET", r"/actions/runs/\d+$", times=10**6))
    for _ in range(FEW):
        house.round()
    assert house.posts == 0
    house.round()
    assert (house.told, house.answers) == (["rejected"], ["rejected"])
    assert house.state(request) is State.VOIDED


def test_what_github_had_taken_in_when_the_worker_died_is_kept_as_what_it_was_told(house: House) -> None:
    house.approved()
    house.github.state.faults.append(Fault(500, "POST", DECIDE, after=True))
    house.round()
    assert house.answers == [None]
    house.configured()  # another worker
    house.round()
    assert (house.told, house.posts, house.answers) == (["approved"], 2, ["approved"])


def test_what_github_does_not_wait_for_is_gone(house: House) -> None:
    house.approved()
    house.app.waiting.clear()
    house.round()
    assert (house.told, house.answers) == ([], ["gone"])


@pytest.mark.usefixtures("few_tries")
def test_what_github_does_not_find_is_counted_whichever_worker_asks(house: House) -> None:
    house.approved()
    house.github.state.faults.append(Fault(404, "GET", r"/actions/runs/\d+$", times=10**6))
    for number in range(FEW):
        house.configured()  # another worker, or the same one started again
        house.round()
        assert (house.answers, house.counts) == ([None], (number + 1, number + 1))
    house.configured()
    house.round()
    assert house.answers == ["rejected"]


def test_what_went_wrong_is_counted_whichever_worker_tries_and_tried_ever_less_often(house: House) -> None:
    house.approved()
    house.github.state.faults.append(Fault(503, "GET", r"/actions/runs/\d+$", times=2))
    for number in (1, 2):
        house.configured()
        house.round()
        assert house.counts == (number, 0)
    house.round()
    assert house.answers == ["approved"]
    assert [doorkeeper.longer(tries) for tries in (1, 2, 3, 6, 7, 10**6)] == [1.0, 2.0, 4.0, 32.0, 60.0, 60.0]


@pytest.mark.usefixtures("few_tries")
def test_what_was_not_found_and_then_was_is_counted_anew_the_next_time(house: House) -> None:
    house.hold()
    house.github.state.faults.append(Fault(404, "GET", r"/actions/runs/\d+$", times=FEW))
    for _ in range(FEW + 1):
        house.round()
    house.approve()
    house.github.state.faults.append(Fault(404, "GET", r"/actions/runs/\d+$", times=FEW))
    for _ in range(FEW):
        house.round()
    assert house.answers == [None]
    house.round()
    assert house.answers == ["approved"]


@pytest.mark.parametrize(
    ("changes", "branch", "said"),
    [
        ({"event": "pull_request"}, None, "not merged"),
        ({"event": "pull_request_target"}, None, "not merged"),
        ({"source": "mallory/shop"}, None, "another repository"),
        ({"source": ""}, None, "another repository"),
        ({"repository": "mallory/shop"}, None, "another repository"),
        ({"branch": "topic"}, "main", "topic, and only main"),
        ({"branch": ""}, "main", "no branch"),
        ({"commit": "b" * 40}, None, "commit"),
        ({}, "main", None),
        ({"branch": "topic", "source": "Ada/Shop"}, None, None),
    ],
)
def test_a_run_of_what_is_not_to_be_deployed_does_not_pass(
    changes: dict[str, Any], branch: str | None, said: str | None
) -> None:
    held = Held("production", "ada/shop", "production", 1, 2)
    run = Run("Ada/Shop", "a" * 40, 1, "ada", "u", event="push", branch="main", source="ada/shop", workflow="w")
    found = mismatch(held, replace(run, **changes), Deployment("production", "a" * 40), branch)
    assert (found is None) if said is None else (said in (found or ""))


RUNNER = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "Ada/shop",
    "GITHUB_RUN_ID": "9001",
    "GITHUB_SHA": "a" * 40,
}
APP = App_(directory="/srv/app", compose_file="compose.yaml", database_service="db", services=("web",))


@pytest.mark.parametrize("app", [None, APP])
def test_whoever_deploys_in_a_run_that_is_held_back_asks_for_what_was_asked_for_in_its_name(
    app: App_ | None, ledger: PostgresLedger
) -> None:
    there = Environment("production", Secret("x"), "/m", "/b", app=app, github=Github("ada/Shop"))
    assert held_back(there, RUNNER, lambda: nullcontext(ledger)) == {}, "nothing is held back"
    ledger.held.hold(Held("production", "ADA/Shop", "Production", 9001, 501))
    asked = held_back(there, RUNNER, lambda: nullcontext(ledger))
    assert asked == arguments(binding("ADA/SHOP", 9001, "a" * 40), has_app=app is not None)
    assert asked.get("ref") == ("a" * 40 if app else None)


@pytest.mark.parametrize(
    "changes",
    [{"GITHUB_ACTIONS": ""}, {"GITHUB_REPOSITORY": "ada/other"}, {"GITHUB_RUN_ID": "x"}, {"GITHUB_RUN_ID": "٣"}],
)
def test_what_is_not_such_a_run_is_asked_for_as_ever_and_no_ledger_is_opened(changes: dict[str, str]) -> None:
    def unopened() -> AbstractContextManager[PostgresLedger]:
        raise AssertionError

    there = Environment("production", Secret("x"), "/m", "/b", github=Github("ada/shop"))
    assert held_back(there, {**RUNNER, **changes}, unopened) == {}
    assert held_back(replace(there, github=None), RUNNER, unopened) == {}
    assert held_back(there, RUNNER, nullcontext) == {}, "nothing says where the ledger is"


@pytest.mark.parametrize(
    "other",
    [
        Held("staging", "ada/shop", "production", 9001, 501),
        Held("production", "ada/other", "production", 9001, 501),
        Held("production", "ada/shop", "production", 9002, 501),
    ],
)
def test_what_is_held_back_of_others_is_not_the_run_s(ledger: PostgresLedger, other: Held) -> None:
    there = Environment("production", Secret("x"), "/m", "/b", github=Github("ada/shop"))
    ledger.held.hold(other)
    assert held_back(there, RUNNER, lambda: nullcontext(ledger)) == {}


def test_a_run_of_a_fork_is_rejected_at_once(house: House) -> None:
    house.hold(head_repository=None)  # it is gone already
    house.round()
    assert (house.told, house.ledger.history()) == (["rejected"], ())


def test_a_branch_that_is_configured_after_the_approval_counts(house: House) -> None:
    request = house.approved(head_branch="topic")
    house.configured('branch = "main"')
    house.round()
    assert (house.told, house.state(request)) == (["rejected"], State.VOIDED)


def test_who_approves_is_told_of_what_else_is_let_through(house: House) -> None:
    house.hold(event="workflow_dispatch", head_branch="release/1")
    house.round()
    (request,) = house.ledger.history()
    for told in ("workflow_dispatch", "release/1", ".github/workflows/deploy.yml", "ada", "/actions/runs/9001"):
        assert told in request.reason


def test_jobs_that_wait_together_are_one_request(house: House) -> None:
    house.hold()
    house.hold(502)
    house.round()
    (request,) = house.ledger.history()
    assert [id for _, id in house.rows()] == [request.id, request.id]


def test_a_job_that_comes_to_wait_when_the_request_is_over_is_asked_for_anew(house: House) -> None:
    request = house.approved()
    house.round()
    house.ended(request)
    house.hold(502)
    house.round()
    house.round()
    assert (house.told, house.answers) == (["approved"], ["approved", None])
    house.approve()
    house.round()
    assert (house.told, house.answers) == (["approved", "approved"], ["approved", "approved"])
    first, second = (id for _, id in house.rows())
    assert first == request.id != second


def test_a_job_is_not_let_through_by_a_request_that_is_over(house: House) -> None:
    request = house.approved()
    house.ended(request)
    house.round()
    assert (house.told, house.answers) == (["rejected"], ["rejected"])


def test_what_is_configured_to_be_deployed_from_elsewhere_is_not_let_through(house: House) -> None:
    request = house.approved()
    house.sql("UPDATE held_deployments SET there = 'staging'")
    house.app.waiting.add((9001, "staging"))
    house.round()
    assert (house.told, house.state(request)) == (["rejected"], State.VOIDED)


def test_who_has_lost_the_lease_tells_nothing_and_moves_nothing(house: House) -> None:
    house.approved()
    house.sql("UPDATE held_deployments SET due = '-infinity'")
    (mine,) = house.ledger.held.due(0.0, 1)
    (theirs,) = house.ledger.held.due(LEASE, 1)
    house.ledger.held.later(mine, 0.0)
    assert house.ledger.held.due(0.0, 1) == ()
    assert not house.ledger.held.telling(mine, "approved")
    assert house.ledger.held.telling(theirs, "approved")
    assert house.ledger.held.answered(theirs, "approved", "")
    assert not house.ledger.held.answered(mine, "approved", "")


def test_one_that_is_slow_keeps_no_other_one_waiting(house: House) -> None:
    slow = threading.Event()
    planned = []
    for run in (9001, 9002):
        house.hold(run, run)
        house.round()
        planned.append(house.request())
    for request, person in zip(planned, ("U0BOB", "U0CLEO"), strict=True):
        vote(house.door(), request.id, request.version, Account("slack", person), True)
    house.configured(refusal=lambda person: None if person == "U0CLEO" or slow.wait(PATIENCE) else "late")
    house.sql("UPDATE held_deployments SET due = '-infinity'")
    rounds = house.keeper.rounds()
    rounds.start()
    try:
        eventually(lambda: house.told == ["approved"], "the other one")
        assert house.app.decisions[0]["run"] == 9002
        slow.set()
        eventually(lambda: house.answers == ["approved", "approved"], "the slow one")
    finally:
        slow.set()
        rounds.stop()


def test_github_is_told_no_secret_and_calls_nobody(house: House) -> None:
    house.hold()
    house.round()
    request = house.request()
    reason = f"@everybody see {house.target.reveal()}"
    vote(house.door(), request.id, request.version, Account("slack", "U0BOB"), False, reason)
    house.round()
    (told,) = house.app.decisions
    assert "everybody see ***" in told["comment"]
    assert "@everybody" not in told["comment"]


def test_a_home_that_could_not_be_asked_for_is_asked_for_when_slack_sends_it_again(house: House) -> None:
    queue = AskQueue(keywords_of(parse_database_url(house.ledger_url), "bot"), 2)
    opener = Opener(house.keeper.roster.slack, queue, 1)
    roster = house.keeper.roster
    reception = Reception(HouseOfBot(roster.settings, house.ledger, roster, "T0TEAM"), queue, opener)
    caller = Caller("U0ADA", "T0TEAM", "D0ADA")
    jobs = "locktender.procrastinate_jobs"
    try:
        house.sql(f"ALTER TABLE {jobs} RENAME TO away")
        with pytest.raises(DatabaseUnreachable):
            reception.home(caller, "f" * 64)
        house.sql("ALTER TABLE locktender.away RENAME TO procrastinate_jobs")
        for _ in range(3):
            reception.home(caller, "f" * 64)
        with house.ledger._transaction() as connection:
            assert connection.execute(f"SELECT count(*) FROM {jobs}".encode()).fetchone() == (1,)
    finally:
        opener.close()
        queue.close()


def test_files_are_remembered_up_to_a_size_the_latest_ones() -> None:
    blobs = Blobs(3 * (100 + EACH))
    for name in "abc":
        blobs.put(("r", name), b"x" * 100)
    assert blobs.get(("r", "a"))
    blobs.put(("r", "d"), b"x" * 100)
    assert [bool(blobs.get(("r", name))) for name in "abcd"] == [True, False, True, True]
    blobs.put(("r", "large"), b"x" * 10_000)
    assert blobs.get(("r", "large")) is None


def test_of_webhooks_that_never_arrived_the_newest_delivery_is_meant() -> None:
    def one(id: int, guid: str, status: int = 502, event: str = EVENT) -> Delivery:
        return Delivery(id, guid, event, status)

    found = lost([one(7, "a"), one(6, "b", 202), one(5, "c"), one(4, "a"), one(3, "b"), one(2, "d", event="push")])
    assert [delivery.id for delivery in found] == [7, 5]
    assert lost([]) == []


def redelivery(house: House) -> Redelivery:
    return Redelivery(house.ledger.held, GithubApp(APP_ID, Secret(house.key), house.github.url))


def due(house: House) -> None:
    house.sql("UPDATE redeliveries SET due = '-infinity'")


def test_what_did_not_arrive_is_delivered_again_once_however_many_workers_ask(house: House) -> None:
    house.app.delivered("arrived", 502)
    house.app.delivered("arrived", 202)
    house.app.delivered("another event", 502, "installation")
    lost_ids = [house.app.delivered(f"lost {number}", status) for number, status in enumerate((502, 0, 503, 404))]
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: redelivery(house).round(), range(8)))
    assert sorted(house.app.again) == lost_ids


def test_what_fails_again_is_tried_ever_less_often_and_not_for_ever(house: House) -> None:
    house.app.delivered("lost", 502)
    for number in range(1, 4):
        redelivery(house).round()
        assert len(house.app.again) == number
        house.app.delivered("lost", 502)
        redelivery(house).round()
        assert len(house.app.again) == number, "not before its time"
        due(house)
    assert house.app.again == [1000, 1001, 1002], "each time the newest delivery"
    house.sql("UPDATE redeliveries SET tries = %s", TRIES)
    redelivery(house).round()
    assert len(house.app.again) == 3


def test_what_was_refused_is_tried_once(house: House) -> None:
    statuses = (400, 401, 413, 422)
    for number, status in enumerate(statuses):
        house.app.delivered(f"refused {number}", status)
    for _ in range(3):
        redelivery(house).round()
        due(house)
        for number, status in enumerate(statuses):
            house.app.delivered(f"refused {number}", status)
    assert sorted(house.app.again) == [1000, 1001, 1002, 1003]


@pytest.mark.parametrize("status", [403, 404, 429])
def test_what_a_proxy_says_while_the_bot_is_away_is_tried_as_long_as_what_is_lost(house: House, status: int) -> None:
    house.app.delivered("lost", 502)
    for number in range(1, 5):
        redelivery(house).round()
        assert len(house.app.again) == number
        house.app.delivered("lost", status)
        due(house)


def test_what_was_lost_before_it_was_refused_is_still_tried_once(house: House) -> None:
    for status in (502, 404, 502, 401, 401):
        house.app.delivered("lost", status)
        redelivery(house).round()
        due(house)
    assert house.app.again == [1000, 1001, 1002, 1003]


def test_what_arrives_in_the_end_is_not_asked_for_any_more(house: House) -> None:
    house.app.delivered("lost", 502)
    redelivery(house).round()
    house.app.delivered("lost", 202)
    due(house)
    redelivery(house).round()
    assert house.app.again == [1000]


def test_what_is_too_old_to_be_delivered_again_keeps_nothing_else_back(house: House) -> None:
    for number in range(2):
        house.app.delivered(f"lost {number}", 502)
    house.github.state.faults.append(Fault(422, "POST", "/1001/attempts$"))
    redelivery(house).round()
    assert house.app.again == [1000]


@pytest.mark.parametrize(("status", "times"), [(502, 1), (401, 2)], ids=["lost", "refused, its only try"])
def test_that_github_is_away_costs_no_webhook(house: House, status: int, times: int) -> None:
    house.app.delivered("lost", status)
    house.github.state.faults.append(Fault(503, "POST", "/attempts$", times=times))
    for _ in range(times):
        with pytest.raises(GithubAway):
            redelivery(house).round()
        due(house)
    redelivery(house).round()
    assert house.app.again == [1000]


def test_of_many_deliveries_the_newest_are_looked_at_page_by_page(house: House) -> None:
    for number in range(MOST + 2):
        house.app.delivered(f"lost {number}", 502 if number in (0, MOST) else 202)
    redelivery(house).round()
    assert house.app.again == [1000 + MOST]
    assert len([path for _, path in house.github.state.requests if path.endswith("/deliveries")]) == MOST // 100


def test_threads_that_ask_github_at_the_same_time_get_their_own_answers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a request is kept in a connection before it is sent, as PyGithub does, another thread's may replace it."""
    runs, both, request = (9101, 9102), threading.Barrier(2), HTTPRequestsConnectionClass.request
    for run in runs:
        house.app.wait(house.github.state.name, run, house.commit)

    def meeting(connection: HTTPRequestsConnectionClass, verb: str, url: str, *rest: Any) -> None:
        request(connection, verb, url, *rest)
        if "/actions/runs/" in url:
            both.wait(PATIENCE)

    monkeypatch.setattr(HTTPRequestsConnectionClass, "request", meeting)
    app = GithubApp(APP_ID, Secret(house.key), house.github.url)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda run: app.run("ada/shop", run).url, runs))
    assert [url.rpartition("/")[2] for url in found] == ["9101", "9102"]
