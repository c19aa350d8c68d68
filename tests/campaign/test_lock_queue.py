"""The commonest way in which a harmless ALTER stops a site: it waits for a report, and everybody waits for it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ..locktender_process import Project, finish
from . import shop
from .ground import Ground, expect
from .load import probing
from .results import Finding, save
from .states import observe

LOCK_TIMEOUT = 1.0
TOLERANCE = 1.5
"""Seconds for a busy machine; without a lock time-out the wait would be the report's: minutes."""
QUESTION = 'SELECT count(*) FROM "Order" WHERE id = 17'
WANTS = {"20240201000000_wants": 'ALTER TABLE "Order" ADD COLUMN wanted TEXT;'}
INDEX = {"20240201000000_index": 'CREATE INDEX CONCURRENTLY "Order_cents_idx" ON "Order" (cents);'}
BEFORE = {"20240131000000_before": "CREATE TABLE before_it (id int);"}
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(600)]


def project(ground: Ground, tmp_path: Path, **settings: str) -> Project:
    migrations = shop.write(tmp_path / "migrations", shop.BASE)
    made = Project(tmp_path, ground.url, migrations, {"lock_timeout": f'"{LOCK_TIMEOUT:g}s"', **settings})
    expect(made.run("deploy"), 0)
    return made


@contextmanager
def report(ground: Ground, isolation: str = "READ COMMITTED") -> Iterator[int]:
    """Somebody's report that has been going on for a while: a transaction that has read the table; yields its pid."""
    with psycopg.connect(ground.url.reveal(), application_name="monthly report") as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")  # type: ignore[arg-type]
        connection.execute('SELECT sum(cents) AS the_monthly_report FROM "Order"')
        pid = connection.info.backend_pid
        _await(ground, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND xact_start < now() - interval '1.5 s'")
        yield pid


def _await(ground: Ground, condition: str, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 60
    with ground.server.superuser().session() as session:
        while not session.rows(condition):
            assert time.monotonic() < deadline
            assert process is None or process.poll() is None, process.communicate()
            time.sleep(0.02)


@pytest.mark.parametrize("strategy", ["maintenance", "online"])
@pytest.mark.parametrize("pending", [WANTS, BEFORE | WANTS], ids=["alone", "behind another"])
def test_nobody_queues_behind_a_migration_for_long(
    ground: Ground, tmp_path: Path, strategy: str, pending: dict[str, str]
) -> None:
    made = project(ground, tmp_path, strategy=f'"{strategy}"')
    shop.write(made.migrations, pending)
    before = observe(ground.url)
    with report(ground) as pid, probing(ground.url, QUESTION) as waits:
        foretold = made.run("deploy", "--dry-run")
        assert str(pid) in foretold.stdout + foretold.stderr, foretold.said
        ran = made.run("deploy")
        assert ran.exit_code == 3, ran.said
    assert waits.longest < LOCK_TIMEOUT + TOLERANCE, f"a query waited {waits.longest:.1f} s"
    told = f"{ran.error['message']} {ran.stdout}"
    for part in (str(pid), "app_owner", "the_monthly_report", "since"):
        assert part in told, f"{part!r} is not said: {ran.said}"
    assert observe(ground.url) == before
    found = Finding("lock queue", f"{strategy}, {len(pending)} pending", f"PostgreSQL {ground.server.major}")
    found.add("exit 3, old state, blocker named")
    found.figures = {
        "lock_timeout": LOCK_TIMEOUT,
        "longest wait": round(waits.longest, 2),
        "run": round(ran.seconds, 1),
    }
    save(found)


def waiting(statement: str) -> str:
    return f"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~* '{statement}'"


def test_a_report_that_ends_lets_the_next_attempt_through(ground: Ground, tmp_path: Path) -> None:
    made = project(ground, tmp_path, attempts="5")
    shop.write(made.migrations, WANTS)
    with probing(ground.url, QUESTION) as waits:
        with report(ground):
            process = made.start("deploy")
            _await(ground, waiting("alter +table"), process)
        expect(finish(process), 0)
    assert waits.longest < LOCK_TIMEOUT + TOLERANCE


def test_an_index_built_concurrently_waits_without_making_others_wait(ground: Ground, tmp_path: Path) -> None:
    made = project(ground, tmp_path, strategy='"online"')
    shop.write(made.migrations, INDEX)
    with probing(ground.url, QUESTION) as waits:
        with report(ground, "REPEATABLE READ"):
            process = made.start("deploy")
            _await(ground, waiting("create +index"), process)
            reached = len(waits.seconds)
            while len(waits.seconds) < reached + 50:
                time.sleep(0.02)
        expect(finish(process), 0)
    assert waits.longest < LOCK_TIMEOUT + TOLERANCE
