"""The command line asks for an approval, waits for it, and performs what was approved, as a real process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.adapters.ledger import PostgresLedger
from operations.adapters.postgres import PostgresDatabase
from operations.approvals.asking import Door, freeze, vote
from operations.approvals.audit import verify
from operations.approvals.model import Account, Request, State
from operations.approvals.people import Directory
from operations.database_url import parse_database_url
from operations.secret import Secret
from operations.settings import Approval, Environment

from .conftest import Server
from .folders import LOCK_FILE
from .ledgers import opened
from .locktender_process import ROOT, Project, Ran, finish

BOB = Account("slack", "UBOB")
POLICY = Approval(approvers=("UBOB", "UCY"))
APPROVALS = '{ deploy = { approvers = ["UBOB", "UCY"] } }'
PATIENCE = 180.0


@dataclass(frozen=True)
class Site:
    project: Project
    url: Secret
    ledger: PostgresLedger

    @property
    def door(self) -> Door:
        policies = {"deploy": POLICY}
        environment = Environment("local", Secret("postgresql://h/d"), "m", "/b", approvals=policies)
        return Door(self.ledger, environment, Directory())

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        ours = {"LOCKTENDER_LEDGER_URL": self.url.reveal(), "LOCKTENDER_ACTOR": "slack:UADA", "GITHUB_ACTIONS": ""}
        return subprocess.Popen(
            self.project.argv(*words),
            cwd=ROOT,
            env={**os.environ, **self.project.variables, **ours, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **variables: str) -> Ran:
        return finish(self.start(*words, **variables))

    def awaited(self, process: subprocess.Popen[str]) -> Request:
        """The request that the process has made."""
        until = time.monotonic() + PATIENCE
        while True:
            found = [one for one in self.ledger.open_requests() if one.state == State.PENDING]
            if found:
                return found[0]
            assert process.poll() is None, finish(process).said
            assert time.monotonic() < until
            time.sleep(0.05)

    def tables(self) -> int:
        with PostgresDatabase(parse_database_url(self.project.url)).session() as session:
            return int(session.rows("SELECT count(*) FROM pg_class WHERE relname = 'item'")[0][0])


@pytest.fixture
def site(server18: Server, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "migrations"
    (folder / "20240101000000_init").mkdir(parents=True)
    (folder / "migration_lock.toml").write_text(LOCK_FILE)
    (folder / "20240101000000_init" / "migration.sql").write_text("CREATE TABLE item (id int);")
    settings = {"approvals": APPROVALS}
    project = Project(tmp_path / "project", server18.url(server18.create()), folder, settings=settings)
    url = server18.url(server18.create())
    with opened(url) as ledger:
        yield Site(project, url, ledger)


def test_a_deploy_waits_for_its_approval_and_is_performed_by_who_waited(site: Site) -> None:
    process = site.start("deploy")
    request = site.awaited(process)
    assert (request.executor, request.requester.id) == ("caller", "slack:UADA")
    assert request.proposal
    assert list(request.proposal.migrations) == ["20240101000000_init"]
    assert site.tables() == 0
    vote(site.door, request.id, request.version, BOB, agrees=True)
    ran = finish(process)
    assert ran.exit_code == 0, ran.said
    assert ran.result["applied"] == ["20240101000000_init"]
    ended = site.ledger.request(request.id)
    assert ended.state == State.DONE
    assert ended.outcome
    assert ended.outcome.run_id == ran.result["run_id"]

    again = site.run("deploy")
    assert (again.exit_code, again.result["outcome"]) == (0, "nothing_to_do"), again.said
    assert len(site.ledger.history()) == 1

    verified = verify(site.ledger)
    assert (verified.intact, verified.entries) == (True, 5)
    listed = site.run("audit", "list", "--request", request.id, "--limit", "2")
    assert [entry["event"] for entry in listed.result["entries"]] == ["started", "done"]
    with site.ledger._transaction() as connection:
        connection.execute("UPDATE requests SET state = 'denied'")
    tampered = site.run("audit", "verify", "--head", str(verified.head))
    assert (tampered.exit_code, tampered.result["intact"]) == (1, False)


def test_a_denied_deploy_ends_with_5_and_changes_nothing(site: Site) -> None:
    process = site.start("deploy")
    request = site.awaited(process)
    vote(site.door, request.id, request.version, BOB, agrees=False, reason="not on a Friday")
    ran = finish(process)
    assert (ran.exit_code, ran.error["code"]) == (5, "approval_missing"), ran.said
    assert "not on a Friday" in ran.error["message"]
    assert site.tables() == 0


def test_a_deploy_that_nobody_can_be_asked_about_does_not_begin(site: Site) -> None:
    without = site.run("deploy", LOCKTENDER_LEDGER_URL="")
    assert (without.exit_code, without.error["code"]) == (5, "approval_missing"), without.said
    nobody = site.run("deploy", LOCKTENDER_ACTOR="")
    assert (nobody.exit_code, nobody.error["code"]) == (2, "usage"), nobody.said
    start = finish(site.start("start", "--", "true"))
    assert start.exit_code == 5, start.said
    assert site.tables() == 0
    assert site.ledger.history() == ()


def test_a_freeze_holds_back_what_needs_no_approval_too(site: Site) -> None:
    freeze(site.door, BOB, "launch day")
    ran = site.run("apply")
    assert (ran.exit_code, ran.error["code"]) == (5, "frozen"), ran.said
    assert site.tables() == 0
    assert verify(site.ledger).intact


@pytest.mark.campaign
def test_what_a_dead_run_left_is_not_settled_without_an_approval(site: Site) -> None:
    vote_for = site.start("deploy")
    request = site.awaited(vote_for)
    vote(site.door, request.id, request.version, BOB, agrees=True)
    assert finish(vote_for).exit_code == 0
    journal = next(site.project.backup_path.glob("**/journal/*.jsonl"))
    lines = journal.read_text().splitlines(keepends=True)
    died = journal.with_name(f"{journal.stem[:-6]}ffffff.jsonl")
    died.write_text("".join(line for line in lines if '"run_finished"' not in line.split(",")[0]))
    freeze(site.door, BOB, "launch day")
    frozen = site.run("deploy")
    assert (frozen.exit_code, frozen.error["code"]) == (5, "frozen"), frozen.said
    assert '"run_finished"' not in died.read_text()
    site.ledger.unfreeze("local", site.door.directory.person(BOB), "")
    process = site.start("deploy")
    request = site.awaited(process)
    assert request.proposal
    assert died.stem in request.proposal.explanation.steps[0]
    assert '"run_finished"' not in died.read_text()
    vote(site.door, request.id, request.version, BOB, agrees=True)
    ran = finish(process)
    assert (ran.exit_code, ran.result["outcome"]) == (0, "nothing_to_do"), ran.said
    assert '"run_finished"' in died.read_text()


def test_who_stops_waiting_takes_the_request_back(site: Site) -> None:
    process = site.start("deploy")
    request = site.awaited(process)
    process.terminate()
    ran = finish(process)
    assert ran.exit_code == 3, ran.said
    assert site.ledger.request(request.id).state == State.CANCELLED
