"""On merge and by schedule: the commands that work on an environment, as whole processes against real servers."""

from __future__ import annotations

import html
import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.adapters.throwaway import embedded_binaries

from ..conftest import OWNER_PASSWORD, Server
from ..containers.docker import until
from ..sshd import Sshd
from .conftest import NEXT, PULL, Project
from .runner import Meanwhile, Ran, Runner, pull_request
from .standin import TOKEN, Fault

ADDS = 'ALTER TABLE "orders" ADD COLUMN "paid" BOOLEAN NOT NULL DEFAULT false;\n'
FAILS = 'ALTER TABLE "orders" ADD COLUMN "paid" BOOLEAN;\nALTER TABLE "nowhere" ADD COLUMN "paid" BOOLEAN;\n'
CONFIGURATION = """
[environments.production]
database_url = "env:DATABASE_URL"
migrations = "prisma/migrations"
backup_dir = "{backups}"
client_bin = "{binaries}"
[environments.production.backups]
test_restore = "never"
"""


@dataclass
class Production:
    """A database, and pushes to main that deploy to it."""

    project: Project
    url: str
    directory: Path

    def push(self, files: dict[str, str | None]) -> str:
        before = self.project.repository.git("rev-parse", "main")
        self.project.repository.commit(files)
        return before

    @property
    def runner(self) -> Runner:
        return self.project.checked_out(self.project.repository.git("rev-parse", "main"))

    def run(
        self,
        command: str,
        inputs: dict[str, str] | None = None,
        event: str = "push",
        *,
        process: bool = False,
        meanwhile: Meanwhile = lambda _: None,
        **variables: str,
    ) -> Ran:
        sha = self.project.repository.git("rev-parse", "main")
        payload = {"before": "0" * 40, "repository": {"full_name": "ada/shop", "default_branch": "main"}}
        given = {"command": command, **(inputs or {})}
        return self.runner.run(
            event, payload, sha, given, process=process, meanwhile=meanwhile, **{"DATABASE_URL": self.url, **variables}
        )

    def states(self) -> list[list[str]]:
        return [[one["state"] for one in said] for said in self.project.github.state.statuses.values()]


@pytest.fixture
def production(project: Project, server18: Server, tmp_path: Path) -> Production:
    url = server18.url(server18.create()).reveal()
    made = Production(project, url, tmp_path)
    text = CONFIGURATION.format(backups=tmp_path / "backups", binaries=embedded_binaries())
    made.push({"locktender.toml": text})
    return made


def test_a_merge_is_deployed_recorded_and_can_be_rolled_back(production: Production) -> None:
    production.run("deploy")
    production.push({NEXT: ADDS})
    pending = production.run("status")
    assert (pending.exit_code, pending.outputs["outcome"]) == (1, "not_up_to_date"), pending.said
    assert json.loads(pending.outputs["pending"]) == ["20240201000000_paid"]
    log = production.directory / "locktender.log"
    ran = production.run("deploy", {"environment-url": "https://shop.example"}, process=True, LOCKTENDER_LOG=str(log))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["call_started", "call_ended"]
    assert {line["run"] for line in lines if "run" in line} == {ran.outputs["run-id"]}
    assert {(line["door"], line["environment"]) for line in lines} == {("action", "production")}
    assert "(GitHub, run " in lines[0]["actor"]
    assert (ran.exit_code, ran.outputs["outcome"]) == (0, "deployed"), ran.said
    assert ran.summary.splitlines()[0] == "## ✅ Deployed: 1 migration (production)"
    assert ran.outputs["backup-id"]
    assert f"rollback --run {ran.outputs['run-id']}" in ran.summary
    assert production.states() == [["success", "in_progress"]] * 2
    (newest, _) = list(production.project.github.state.statuses.values())[1]
    assert (newest["environment_url"], newest["log_url"]) == (
        "https://shop.example", "https://github.com/ada/shop/actions/runs/4711",
    )  # fmt: skip
    back = production.run("rollback")
    assert (back.exit_code, back.outputs["outcome"]) == (0, "rolled_back"), back.said


def test_a_deploy_that_failed_and_was_rolled_back_is_red_and_says_so_first(production: Production) -> None:
    production.run("deploy")
    production.push({NEXT: FAILS})
    ran = production.run("deploy")
    assert (ran.exit_code, ran.outputs["outcome"]) == (3, "rolled_back"), ran.said
    said = "❌ The deploy failed and was rolled back; the old state stands (production)"
    assert ran.summary.splitlines()[0] == f"## {said}"
    assert f"::error title=Locktender::{said}" in ran.log
    assert production.states()[1] == ["failure", "in_progress"]
    assert "nowhere" in ran.summary


def test_a_run_that_is_cancelled_is_undone_and_recorded_as_a_failure(production: Production, server18: Server) -> None:
    production.push({NEXT: "SELECT pg_sleep(600);\n"})

    def cancel(process: subprocess.Popen[str]) -> None:
        with server18.superuser().session() as session:
            asleep = (
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)%%' AND wait_event = 'PgSleep'"
            )
            until(lambda: session.rows(asleep)[0][0], "the migration runs", timeout=120)
        process.send_signal(signal.SIGTERM)

    ran = production.run("deploy", process=True, meanwhile=cancel)
    assert ran.exit_code == 3, ran.said
    assert production.states() == [["failure", "in_progress"]]
    assert "rolled back" in ran.summary.splitlines()[0] or "old state stands" in ran.summary.splitlines()[0]
    assert json.loads(production.run("status").outputs["applied"]) == []


def test_github_that_answers_badly_keeps_nobody_from_deploying(production: Production) -> None:
    state = production.project.github.state
    state.faults += [
        Fault(502, "POST", r"/deployments$", after=True),
        Fault(500, "GET", r"/deployments$"),
        Fault(0, "POST", r"/statuses$", after=True),
        Fault(429, "GET", r"/statuses$", headers={"Retry-After": "0"}),
    ]
    ran = production.run("deploy", LOCKTENDER_GITHUB_TIMEOUT="1")
    assert ran.exit_code == 0, ran.said
    assert len(state.deployments) == 1
    assert production.states() == [["success", "in_progress"]], ran.said
    assert all(fault.times == 0 for fault in state.faults)


def test_the_deployment_that_github_makes_for_the_jobs_environment_is_used(production: Production) -> None:
    state, sha = production.project.github.state, production.project.repository.git("rev-parse", "main")
    state.deployments[1] = {"id": 1, "sha": sha, "environment": "production", "payload": "", "ref": "main"}
    state.deployments[2] = {**state.deployments[1], "id": 2, "payload": {}}
    state.statuses = {
        1: [{"id": 3, "state": "in_progress", "log_url": "https://github.com/ada/shop/actions/runs/47/job/1"}],
        2: [{"id": 4, "state": "in_progress", "log_url": "https://github.com/ada/shop/actions/runs/4711/job/1"}],
    }
    assert production.run("deploy").exit_code == 0
    assert production.states() == [["in_progress"], ["success", "in_progress"]]


def test_without_the_approval_that_is_wanted_nothing_is_deployed(production: Production) -> None:
    text = (production.project.repository.path / "locktender.toml").read_text()
    production.push(
        {"locktender.toml": f'{text}\n[environments.production.approvals.deploy]\napprovers = ["U0AAAA"]\n'}
    )
    ran = production.run("deploy")
    assert (ran.exit_code, ran.outputs["outcome"]) == (5, "refused"), ran.said
    assert ran.result["error"]["code"] == "approval_missing"
    assert production.states() == [["failure", "in_progress"]]


def test_a_token_that_may_not_record_a_deployment_is_a_warning(production: Production) -> None:
    production.project.github.state.read_only = True
    ran = production.run("deploy")
    assert ran.exit_code == 0, ran.said
    assert "::warning title=Locktender::No deployment." in ran.log


def test_backup_check_and_restore(production: Production) -> None:
    production.run("deploy")
    made = production.run("backup", {"test-restore": "true"}, event="schedule")
    assert (made.exit_code, made.outputs["outcome"]) == (0, "created"), made.said
    assert made.result["result"]["verified"]
    well = production.run("check", event="schedule")
    assert (well.exit_code, well.outputs["outcome"]) == (0, "healthy"), well.said
    back = production.run("restore", {"backup-id": made.outputs["backup-id"]}, event="workflow_dispatch")
    assert (back.exit_code, back.outputs["backup-id"]) == (0, made.outputs["backup-id"]), back.said


def test_pending_migrations_are_rehearsed_and_a_report_is_written(production: Production) -> None:
    production.run("deploy")
    production.run("backup")
    production.push({NEXT: ADDS})
    rehearsed = production.run("rehearse", event="workflow_dispatch")
    assert (rehearsed.exit_code, rehearsed.outputs["outcome"]) == (0, "passed"), rehearsed.said
    assert json.loads(rehearsed.outputs["pending"]) == ["20240201000000_paid"]
    assert "AccessExclusiveLock" in rehearsed.summary
    (production.runner.workspace / "locktender-report.html").symlink_to(production.directory / "elsewhere")
    told = production.run("report", event="schedule")
    assert (told.exit_code, told.outputs["report-path"]) == (0, "locktender-report.html"), told.said
    assert "<html" in (production.runner.workspace / "locktender-report.html").read_text()
    assert not (production.directory / "elsewhere").exists()
    assert told.summary


def test_a_server_is_reached_by_the_inputs_alone_and_no_sink_holds_a_secret(
    production: Production, sshd: Sshd, tmp_path: Path
) -> None:
    key, server = sshd.key.reveal(), sshd.server()
    inputs = {
        "ssh-host": server.host, "ssh-user": server.user, "ssh-port": str(server.port),
        "ssh-private-key": key, "ssh-known-hosts": sshd.known_hosts, "database-url": production.url,
    }  # fmt: skip
    production.push({NEXT: FAILS.replace("nowhere", OWNER_PASSWORD.reveal())})
    ran = production.run("deploy", inputs, process=True, DATABASE_URL="")
    assert ran.exit_code == 3, ran.said
    sent = "\n".join(production.project.github.state.texts)
    for secret in (TOKEN, production.url, OWNER_PASSWORD.reveal(), *key.splitlines()[1:-1]):
        assert secret not in ran.sinks
        assert secret not in html.unescape(ran.summary).replace("\u2060", "")
        assert secret not in sent


@pytest.mark.parametrize(
    ("command", "inputs", "event", "exit_code", "told"),
    [
        ("deploy", {}, "pull_request", 5, "is not merged yet"),
        ("deploy", {}, "merge_group", 5, "is not merged yet"),
        ("status", {}, "pull_request_target", 5, "would be the pull request"),
        ("report", {}, "pull_request", 5, "would be the pull request"),
        ("deploy", {"environment": "nowhere"}, "push", 2, "no environment"),
        ("explode", {}, "push", 2, "must be one of"),
        ("deploy", {"ssh-host": "server.example"}, "push", 2, "server.user: is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_the_exit_code_for_it(
    production: Production, command: str, inputs: dict[str, str], event: str, exit_code: int, told: str
) -> None:
    sha = production.project.repository.git("rev-parse", "main")
    payload = {**pull_request(PULL, sha, sha), "merge_group": {"head_sha": sha, "base_sha": sha}}
    ran = production.runner.run(event, payload, sha, {"command": command, **inputs}, DATABASE_URL=production.url)
    assert ran.exit_code == exit_code, ran.said
    assert told in ran.result["error"]["message"]
    assert production.project.github.state.deployments == {}
