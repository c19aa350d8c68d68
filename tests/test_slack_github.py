"""GitHub holds a deployment back, and an approval in Slack opens it: real processes, and stand-ins for both of them."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bot.github import Delivery
from bot.protection import EVENT
from operations.approvals.audit import verify
from operations.approvals.model import Request, State

from .action.app import APP_ID, App, private_key, public_key
from .action.openapi import DescriptionMissing, description
from .action.runner import Repository, Runner
from .action.standin import TOKEN, Fault, StandIn, standing_in
from .conftest import Server, missing
from .folders import LOCK_FILE
from .locktender_process import ROOT, finish
from .slack.stage import ADA, BOB, CLEO, Stage, eventually, staged
from .slack.standin import Posted
from .slack.websocket import listening

SECRET = "it-is-a-secret-to-everybody"
MORE = """
[environments.production.github]
repository = "Ada/Shop"
[people.ada]
slack = "U0ADA"
github = "ada"
"""


@dataclass
class Site:
    """A repository, its runs that wait, and the bot."""

    stage: Stage
    github: StandIn
    repository: Repository
    runs: Iterator[int] = field(default_factory=lambda: count(9001))

    @property
    def app(self) -> App:
        assert self.github.state.app
        return self.github.state.app

    def commit(self) -> str:
        """One more migration."""
        number = len(list((self.repository.path / "prisma" / "migrations").iterdir()))
        script = f"CREATE TABLE t{number} (id int PRIMARY KEY);\n"
        return self.repository.commit({f"prisma/migrations/2024010{number}000000_t{number}/migration.sql": script})

    def waiting(
        self, commit: str, actor: str = "ada", run: int = 0, deployed: str = "", there: str = "production"
    ) -> int:
        """A run of a workflow whose job waits for the environment; its id."""
        run = run or next(self.runs)
        self.app.wait(self.github.state.name, run, commit, there, triggering_actor={"login": actor})
        self.github.state.deployments[run + 50000] = {
            "id": run + 50000,
            "environment": there,
            "sha": deployed or commit,
        }
        return run

    def payload(self, run: int, **changes: Any) -> dict[str, Any]:
        name = self.github.state.name
        return {
            "action": "requested",
            "environment": "production",
            "event": "push",
            "sha": "f" * 40,  # nobody believes it
            "ref": "refs/heads/main",
            "deployment_callback_url": f"{self.github.url}/repos/{name}/actions/runs/{run}/deployment_protection_rule",
            "deployment": {"id": run + 50000, "sha": "f" * 40},
            "repository": {"full_name": name},
            "installation": {"id": 1},
            "sender": {"login": "mallory"},
            **changes,
        }

    def deliver(
        self,
        payload: dict[str, Any] | bytes,
        *,
        secret: str = SECRET,
        event: str = "deployment_protection_rule",
        delivery: str = "d1",
        signature: str | None = None,
        port: int = 0,
    ) -> tuple[int, str]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": f"sha256={digest}" if signature is None else signature,
        }
        connection = http.client.HTTPConnection("127.0.0.1", port or self.stage.port, timeout=60)
        try:
            connection.request("POST", "/github/events", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def held(self, actor: str = "ada") -> tuple[int, Posted]:
        """One more run that waits, and its card, with buttons."""
        run = self.waiting(self.commit(), actor)
        assert self.deliver(self.payload(run), delivery=f"d{run}") == (202, "held")
        card = self.stage.card(f"actions/runs/{run}")
        eventually(lambda: "approve" in card.actions, card.all_text)
        return run, card

    def decided(self, run: int) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            return next((one for one in self.app.decisions if one["run"] == run), None)

        return eventually(look, f"a decision about run {run}: {self.stage.logs()[-2000:]}")

    def requests(self, run: int) -> list[Request]:
        return [one for one in self.stage.ledger.history(limit=200) if one.reason.endswith(f"/runs/{run}")]

    def kept(self, run: int) -> list[str | None]:
        """What the ledger holds of it: the answer of each of its rows."""
        with self.stage.ledger._transaction() as connection:
            found = connection.execute("SELECT answer FROM held_deployments WHERE run_id = %s", (run,)).fetchall()
        return [answer for (answer,) in found]

    def settled(self, run: int, answer: str = "approved") -> None:
        """GitHub is told nothing more."""
        eventually(lambda: self.kept(run) == [answer], f"run {run}: {self.kept(run)}, not {answer}")

    def told(self, run: int) -> int:
        """How often GitHub was told, whether it took it in or not."""
        path = f"/repos/{self.github.state.name}/actions/runs/{run}/deployment_protection_rule"
        return self.github.state.requests.count(("POST", path))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Iterator[Site]:
    try:
        description()
    except DescriptionMissing as lack:
        missing(str(lack))
    target, ledger, key = server18.url(server18.create()), server18.url(server18.create()), private_key()
    directory = tmp_path_factory.mktemp("github")
    repository = Repository.create(directory / "origin", {"prisma/migrations/migration_lock.toml": LOCK_FILE})
    with standing_in(repository.path) as github:
        github.state.app = App(public_key(key))
        environ = {
            "GITHUB_API_URL": github.url,
            "GITHUB_WEBHOOK_SECRET": SECRET,
            "GITHUB_APP_ID": APP_ID,
            "GITHUB_APP_PRIVATE_KEY": key,
        }
        with staged(directory, target, ledger, environ, more=MORE) as stage:
            stage.bot()
            stage.worker()
            made = Site(stage, github, repository)
            yield made
            assert verify(stage.ledger).intact
            said = stage.logs() + json.dumps([one.raw for one in stage.slack.messages])
            assert not [secret for secret in (SECRET, *made.app.tokens, key.splitlines()[1]) if secret in said]
        assert github.state.wrong == []


def checkout(site: Site, run: int, tmp_path: Path) -> Path:
    """The workspace of the job that was let through."""
    configuration = site.stage.configuration.read_text()
    own = json.dumps(str(site.stage.directory / "migrations"))
    workspace = site.repository.checkout(tmp_path / "workspace", site.app.runs[run]["head_sha"])
    (workspace / "locktender.toml").write_text(configuration.replace(own, '"prisma/migrations"'))
    return workspace


def command_line(site: Site, run: int, tmp_path: Path) -> tuple[int, str]:
    """A step ``run: locktender deploy`` of that job."""
    configuration = checkout(site, run, tmp_path) / "locktender.toml"
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "--config", str(configuration), "--env", "production", "--json", "deploy"],
        cwd=ROOT,
        env={
            **os.environ,
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "ada",
            "GITHUB_REPOSITORY": site.github.state.name,
            "GITHUB_RUN_ID": str(run),
            "GITHUB_SHA": site.app.runs[run]["head_sha"],
            "LOCKTENDER_LEDGER_URL": site.stage.ledger_url.reveal(),
            "TARGET_URL": site.stage.target.reveal(),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ran = finish(process)
    return ran.exit_code, ran.said


def action(site: Site, run: int, tmp_path: Path) -> tuple[int, str]:
    """The Action's deploy in that job, with the ledger."""
    commit = site.app.runs[run]["head_sha"]
    workspace = checkout(site, run, tmp_path)
    site.github.state.app, app = None, site.github.state.app
    try:
        ran = Runner(tmp_path / "runs", site.github, workspace).run(
            "push",
            {"repository": {"full_name": site.github.state.name, "default_branch": "main"}, "before": "0" * 40},
            commit,
            {"command": "deploy", "environment": "production", "github-token": TOKEN},
            LOCKTENDER_LEDGER_URL=site.stage.ledger_url.reveal(),
            TARGET_URL=site.stage.target.reveal(),
            GITHUB_RUN_ID=str(run),
        )
    finally:
        site.github.state.app = app
    return ran.exit_code, ran.said


def test_one_approval_opens_the_deploy_and_the_run_performs_that_request(site: Site, tmp_path: Path) -> None:
    run, card = site.held()
    commit = site.app.runs[run]["head_sha"]
    assert commit[:12] in card.all_text
    assert "1 migration" in card.all_text
    assert "f" * 12 not in card.all_text
    site.stage.press(card, "approve", ADA)
    eventually(lambda: [one for one in site.stage.slack.ephemerals if "yourself" in one["text"]])
    assert site.app.decisions == []
    site.stage.press(card, "approve", BOB)
    told = site.decided(run)
    assert (told["state"], told["environment_name"]) == ("approved", "production")
    assert "by bob" in told["comment"]
    site.settled(run)
    exit_code, said = action(site, run, tmp_path)
    assert exit_code == 0, said
    eventually(lambda: "Deploy · production: done" in card.all_text, card.all_text)
    (request,) = site.requests(run)
    assert (request.requester.id, request.executor, request.state) == ("ada", "caller", State.DONE)
    assert request.proposal
    assert (request.proposal.commit, len(request.proposal.migrations)) == (commit, 1)
    events = [json.loads(entry.body)["event"] for entry in site.stage.ledger.audit(request_id=request.id)]
    assert events == ["requested", "planned", "refused", "approved", "github", "started", "done"]


def test_the_command_line_in_that_job_performs_that_request_too(site: Site, tmp_path: Path) -> None:
    run, card = site.held()
    site.stage.press(card, "approve", BOB)
    site.settled(run)
    exit_code, said = command_line(site, run, tmp_path)
    assert exit_code == 0, said
    (request,) = site.requests(run)
    assert (request.state, request.executor) == (State.DONE, "caller")
    assert [one.id for one in site.stage.ledger.open_requests("production")] == []


def test_in_a_job_that_was_not_held_back_nothing_to_do_waits_for_nobody(site: Site, tmp_path: Path) -> None:
    run, card = site.held()
    site.stage.press(card, "approve", BOB)
    site.settled(run)
    exit_code, said = command_line(site, run, tmp_path / "held")
    assert exit_code == 0, said
    site.app.runs[4], before = site.app.runs[run], len(site.stage.ledger.history(limit=200))
    for deploy in (command_line, action):
        exit_code, said = deploy(site, 4, tmp_path / deploy.__name__)
        assert exit_code == 0, said
        assert "nothing to do" in said.lower().replace("_", " ")
    assert len(site.stage.ledger.history(limit=200)) == before


@pytest.mark.campaign
def test_a_webhook_that_nobody_was_there_to_take_is_delivered_again(site: Site) -> None:
    run = site.waiting(site.commit())

    def deliver(_: int) -> None:
        status, _said = site.deliver(site.payload(run), delivery="lost")
        site.app.delivered("lost", status)

    site.app.deliver = deliver
    failed = site.app.delivered("lost", 502)
    worker = site.stage.worker()  # it looks when it starts, and every minute
    card = site.stage.card(f"actions/runs/{run}")
    assert site.stage.stop(worker) == 0
    assert site.app.again == [failed]
    eventually(lambda: "cancel" in card.actions, card.all_text)
    site.stage.press(card, "cancel", ADA)
    assert site.decided(run)["state"] == "rejected"


def test_a_denial_is_told_with_its_reason(site: Site) -> None:
    run, card = site.held()
    known = set(site.stage.slack.views)
    site.stage.press(card, "deny", CLEO)
    form = eventually(lambda: next(iter(set(site.stage.slack.views) - known), None))
    site.stage.submit(form, {"reason": "not on a Friday"}, CLEO)
    told = site.decided(run)
    assert told["state"] == "rejected"
    assert "not on a Friday" in told["comment"]


@pytest.mark.campaign
def test_a_request_that_is_taken_back_or_runs_out_is_rejected(site: Site) -> None:
    run, card = site.held()
    site.stage.press(card, "cancel", ADA)
    assert (site.decided(run)["state"], "cancelled" in site.decided(run)["comment"]) == ("rejected", True)
    run, card = site.held()
    (request,) = site.requests(run)
    with site.stage.ledger._transaction() as connection:
        connection.execute("UPDATE requests SET expires_at = clock_timestamp() WHERE id = %s", (request.id,))
    assert (site.decided(run)["state"], "in time" in site.decided(run)["comment"]) == ("rejected", True)
    eventually(lambda: "Deploy · production: expired" in card.all_text, card.all_text)


def test_the_same_deployment_once_more_is_one_request_and_one_decision(site: Site) -> None:
    run = site.waiting(site.commit())
    payload = site.payload(run)
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda n: site.deliver(payload, delivery=f"replay-{n % 2}"), range(12)))
    assert {status for status, _ in answers} == {202}
    assert [said for _, said in answers].count("held") == 1
    card = site.stage.card(f"actions/runs/{run}")
    eventually(lambda: "approve" in card.actions)
    site.stage.press(card, "approve", BOB)
    assert site.decided(run)["state"] == "approved"
    assert site.deliver(payload, delivery="replay-3") == (202, "known already")
    site.settled(run)
    assert len(site.requests(run)) == 1
    assert site.told(run) == 1


FORGERIES: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "signed by somebody else": (401, {}, {"secret": "another"}),
    "not signed": (401, {}, {"signature": ""}),
    "signed in another way": (401, {}, {"signature": "sha1=" + "0" * 40}),
    "signature that is no ASCII": (401, {}, {"signature": "sha256=é"}),
    "another repository": (422, {"repository": {"full_name": "ada/other"}}, {}),
    "another environment": (422, {"environment": "staging"}, {}),
    "answers to somewhere else": (400, {"deployment_callback_url": "http://169.254.169.254/repos/ada/shop"}, {}),
    "answers to another host": (
        400,
        {"deployment_callback_url": "https://evil.example/repos/ada/shop/actions/runs/1/deployment_protection_rule"},
        {},
    ),
    "no numbers": (400, {"deployment": {"id": "1; DROP TABLE requests"}}, {}),
    "nothing of it": (400, {"repository": None}, {}),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_github_did_not_send_or_is_not_configured_has_no_effect(site: Site, forgery: str) -> None:
    expected, changes, how = FORGERIES[forgery]
    run = site.waiting("0" * 40)
    payload = site.payload(run)
    if changes.get("repository"):
        name = changes["repository"]["full_name"]
        payload["deployment_callback_url"] = payload["deployment_callback_url"].replace(site.github.state.name, name)
    before, asked = len(site.stage.ledger.history(limit=200)), len(site.github.state.requests)
    status, said = site.deliver({**payload, **changes}, **how)
    assert status == expected, said
    assert Delivery(1, "d1", EVENT, status).refused
    assert site.kept(run) == []
    assert (len(site.stage.ledger.history(limit=200)), len(site.github.state.requests)) == (before, asked)
    site.app.waiting.discard((run, "production"))


def test_what_is_too_large_or_about_something_else_is_not_looked_at(site: Site) -> None:
    assert site.deliver(b"[" * 1_100_000)[0] == 413
    assert Delivery(1, "d1", EVENT, 413).refused
    assert site.deliver({"zen": "x"}, event="ping") == (200, "pong")
    assert site.deliver({"action": "opened"}, event="issues") == (200, "ignored")
    assert site.deliver({"action": "completed"}) == (202, "ignored")


def test_a_commit_that_changes_after_the_approval_is_not_let_through(site: Site) -> None:
    run, card = site.held()
    (_, worker) = site.stage.processes[:2]
    worker.send_signal(signal.SIGSTOP)
    try:
        site.stage.press(card, "approve", BOB)
        other = site.commit()
        site.app.runs[run]["head_sha"] = other
        site.github.state.deployments[run + 50000]["sha"] = other
    finally:
        worker.send_signal(signal.SIGCONT)
    assert site.decided(run)["state"] == "rejected"
    eventually(lambda: "commit" in card.all_text and "void" in card.all_text, card.all_text)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"deployed": "0" * 40}, "commit"),
        ({"there": "staging"}, "another environment"),
        ({"actor": "mallory"}, "whose account"),
    ],
)
def test_what_does_not_belong_together_or_to_anybody_is_rejected_at_once(
    site: Site, how: dict[str, str], said: str
) -> None:
    run = site.waiting(site.commit(), **how)  # type: ignore[arg-type]
    site.app.waiting.add((run, "production"))
    assert site.deliver(site.payload(run))[0] == 202
    told = site.decided(run)
    assert told["state"] == "rejected"
    assert said in told["comment"]
    assert site.requests(run) == []


@pytest.mark.campaign
def test_whatever_goes_wrong_at_github_it_is_told_in_the_end_and_no_more_once_it_has_taken_it_in(site: Site) -> None:
    away = [Fault(429, headers={"Retry-After": "0"}), Fault(-1)]
    site.github.state.faults += away
    run, card = site.held()
    decide = r"/deployment_protection_rule$"
    site.github.state.faults += [Fault(503, "POST", decide), Fault(500, "POST", decide, after=True)]
    site.stage.press(card, "approve", BOB)
    assert site.decided(run)["state"] == "approved"
    site.settled(run)  # though the answer that says so was lost, and GitHub did not wait any more the next time
    assert site.told(run) == 3


@pytest.mark.campaign
def test_what_a_worker_left_when_it_died_another_one_tells(site: Site) -> None:
    run, card = site.held()
    decide = r"/deployment_protection_rule$"
    hanging = Fault(503, "POST", decide, times=10**6)
    site.github.state.faults.append(hanging)
    site.stage.press(card, "approve", BOB)
    eventually(lambda: hanging.times < 10**6)
    site.stage.processes[1].kill()
    site.stage.processes[1].wait()
    hanging.times = 0
    before = site.told(run)
    with site.stage.ledger._transaction() as connection:  # as if its lease had run out
        connection.execute("UPDATE held_deployments SET due = '-infinity' WHERE answer IS NULL")
    assert site.app.decisions == [one for one in site.app.decisions if one["run"] != run]
    site.stage.worker()
    assert site.decided(run)["state"] == "approved"
    site.settled(run)
    assert site.told(run) == before + 1


@pytest.mark.campaign
def test_in_socket_mode_there_is_a_door_for_github_alone(site: Site) -> None:
    run = site.waiting(site.commit())
    with listening() as line:
        site.stage.slack.socket_url = line.url
        own, site.stage.port = site.stage.port, 0
        process = site.stage.bot(socket_mode=True)
        port, site.stage.port = site.stage.port, own
        assert site.deliver(site.payload(run), port=port, secret="another")[0] == 401
        assert site.deliver(site.payload(run), port=port) == (202, "held")
        assert site.stage.get("/slack/events", port) == 404
        assert site.stage.stop(process) == 0
    site.stage.press(site.stage.card(f"actions/runs/{run}"), "cancel", ADA)
    assert site.decided(run)["state"] == "rejected"
