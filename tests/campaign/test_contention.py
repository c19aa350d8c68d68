"""Two at once, and sessions that hold locks."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ..conftest import Server
from ..locktender_process import Project, finish
from . import shop
from .conftest import TrialOf
from .ground import expect
from .kills import NEW, OLD
from .results import Finding, save
from .scale import count
from .scenarios import BY_NAME

ROUNDS = 5
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("shared", [True, False], ids=["one host", "two hosts"])
@pytest.mark.parametrize("name", ["deploy in one transaction", "deploy with CONCURRENTLY"])
def test_of_two_deploys_at_once_one_applies(
    durable: Server, trial_of: TrialOf, tmp_path: Path, shared: bool, name: str
) -> None:
    """On one host its lock decides; from two hosts, with a journal each, only the database's advisory lock can."""
    trial = trial_of(BY_NAME[name], durable)
    first = trial.stage.project
    second = first
    if not shared:
        second = Project(tmp_path / "elsewhere", first.url, first.migrations, first.settings)
    found = Finding("two at once", f"{name}, {'one host' if shared else 'two hosts'}", f"PostgreSQL {durable.major}")
    for _ in range(count(ROUNDS)):
        trial.stage.reset()
        processes = [first.start("deploy"), second.start("deploy")]
        both = [finish(process) for process in processes]
        deployed = [ran for ran in both if ran.exit_code == 0 and ran.result["outcome"] == "deployed"]
        others = [ran for ran in both if ran not in deployed]
        assert len(deployed) == 1, [ran.said for ran in both]
        assert all(
            ran.exit_code == 5 or (ran.exit_code == 0 and ran.result["outcome"] == "nothing_to_do") for ran in others
        ), others[0].said
        assert trial.state() == NEW
        assert trial.stage.ground.scratch() == []
        found.add(f"one deployed, the other exit {others[0].exit_code}")
    save(found)


@pytest.mark.parametrize("name", ["restore", "rollback", "undo of a restore"])
def test_sessions_with_open_transactions_do_not_stop_a_swap(durable: Server, trial_of: TrialOf, name: str) -> None:
    """They only read: nothing of theirs is lost when they are cut off."""
    trial = trial_of(BY_NAME[name], durable)
    trial.stage.reset()
    url = trial.stage.ground.url.reveal()
    with psycopg.connect(url) as reader, psycopg.connect(url) as idle:
        reader.execute('SELECT count(*) FROM "Order"')
        idle.execute('LOCK TABLE "Customer" IN ROW EXCLUSIVE MODE')
        ran = finish(trial.stage.start())
        assert ran.exit_code == 0, ran.said
        reader.close()
        idle.close()
    assert trial.state() == NEW


def test_a_table_locked_by_someone_ends_a_backup_in_time(durable: Server, trial_of: TrialOf) -> None:
    """pg_dump would wait for ever; and meanwhile the deploy that wants the backup holds its own lock."""
    trial = trial_of(BY_NAME["deploy in one transaction"], durable)
    trial.stage.reset()
    with psycopg.connect(trial.stage.ground.url.reveal()) as holder:
        holder.execute('LOCK TABLE "Order" IN ACCESS EXCLUSIVE MODE')
        process = trial.stage.start()
        ran = finish(process, timeout=200)
        assert ran.exit_code in (3, 5), ran.said
        holder.rollback()
    assert trial.state() == OLD
    expect(trial.stage.project.run("deploy"), 0)
    assert trial.state() == NEW
    assert shop.ATOMIC.keys() <= set(trial.stage.project.run("status").result["applied"])
