"""Versions of a real application, deployed over a real sshd to a server with Docker Compose: good ones and bad ones."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from .. import sshd
from ..documents.snippets import Snippet
from ..locktender_process import Ran
from .docker import Docker, until
from .production import Production, session_variables
from .project import ShopProject

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

NOTE = {"20240801090000_note": 'ALTER TABLE "Order" ADD COLUMN note TEXT;'}
GIFT = {"20240802090000_gift": 'ALTER TABLE "Order" ADD COLUMN gift BOOLEAN;'}
HELD = """\
SELECT count(pg_sleep(0.05)) FROM generate_series(1, 12000) WHERE NOT pg_try_advisory_xact_lock(4711);
ALTER TABLE "Order" ADD COLUMN held TEXT;
"""
HALF = {"20240803090000_half": 'ALTER TABLE "Order" ADD COLUMN half TEXT;\nALTER TABLE "Nowhere" ADD COLUMN x TEXT;'}


@pytest.fixture(scope="module")
def production(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """A shop that runs in a version with the column ``note``, and has taken an order."""
    directory = tmp_path_factory.mktemp("production")
    (directory / "sshd").mkdir()
    with sshd.running(directory / "sshd", variables=session_variables(docker)) as login:
        shop = ShopProject.create(directory / "shop", docker, name="shop-in-production")
        found = Production(shop, directory / "client", login)
        found.configure()
        try:
            first = found.deploy(shop.commit_version("1.1", migrations=NOTE))
            assert first.exit_code == 0, first.said
            assert shop.place_order().status == 201
            yield found
        finally:
            shop.down()


@pytest.fixture
def standing(production: Production) -> Iterator[Production]:
    """Afterwards the same version and schema, healthy, with every order that was placed."""
    before = (production.version, production.columns, production.commit)
    orders = production.shop.get("/orders/count").body["count"]
    yield production
    left = (production.version, production.columns, production.commit)
    if left != before:  # the next test shall find what this one has found
        production.run("rollback", "--accept-data-loss")
    assert left == before
    assert production.shop.get("/orders/count").body["count"] >= orders
    assert production.shop.get("/health").status == 200
    assert production.run("status").result["pending"] == []


def test_a_version_whose_migration_fails_leaves_the_one_before_running(standing: Production) -> None:
    ran = standing.deploy(standing.shop.commit_version("2.0", migrations=HALF))
    assert (ran.exit_code, ran.error["code"], ran.result["outcome"]) == (3, "migration_failed", "rolled_back"), ran.said
    assert ran.result["rollback"].items() >= {"method": "transaction", "lossless": True, "kept_database": None}.items()
    assert "20240803090000_half/migration.sql:2:" in ran.error["message"]
    assert 0 < ran.result["downtime_seconds"] < ran.seconds


def test_a_version_that_never_gets_healthy_is_taken_back_with_its_migration(standing: Production) -> None:
    on = standing.commit.partition(":")[2].strip() or standing.commit
    ran = standing.deploy(standing.shop.commit_version("2.1", on=on, migrations=GIFT, healthy=False))
    assert (ran.exit_code, ran.error["code"], ran.result["outcome"]) == (3, "app_not_well", "rolled_back"), ran.said
    assert ran.result["rollback"]["lossless"]
    assert any("GET /health 503" in log for log in ran.error["details"]["logs"])


def test_a_version_that_does_not_build_costs_no_downtime(standing: Production) -> None:
    ran = standing.deploy(standing.shop.commit_version("2.2", on=standing.commit, migrations=GIFT, builds=False))
    assert (ran.exit_code, ran.result["outcome"], ran.result["downtime_seconds"]) == (3, "rolled_back", 0.0), ran.said
    assert [step["name"] for step in ran.result["steps"] if step["status"] == "failed"] == ["build"]
    assert "exit code: 1" in ran.error["message"]


def test_a_good_version_is_deployed_and_rolled_back(standing: Production, documented: list[Snippet]) -> None:
    (guide,) = documented
    dry_run, deploy, rollback = (shlex.split(one.typed)[1:] for one in guide.commands)
    before = standing.columns
    good = standing.shop.commit_version("2.3", on=standing.commit, migrations=GIFT)
    planned = standing.run(*dry_run)
    assert planned.exit_code == 0, planned.said
    steps = {step["name"]: step for step in planned.result["plan"]["steps"]}
    assert list(steps) == [
        *("prepare", "build", "start_database", "wait", "backup", "stop", "restore_point", "apply", "start", "check")
    ]
    assert steps["prepare"]["commands"][1].endswith(f"checkout --quiet --detach {good}")
    assert standing.version == "1.1"

    ran = standing.run(*deploy)
    assert (ran.exit_code, ran.result["outcome"]) == (0, "deployed"), ran.said
    assert ran.result["applied"] == list(GIFT)
    assert backups_of(standing, ran) == ["L2"]
    assert (standing.version, standing.columns, standing.commit) == ("2.3", before | {"gift"}, good)
    assert 0 < ran.result["downtime_seconds"] < ran.seconds
    until(lambda: containers_of(standing) == "ok", "containers that are well")  # a busy Docker may not answer at once

    back = standing.run(*rollback)
    assert (back.exit_code, back.result["rollback"]["lossless"]) == (0, True), back.said


def containers_of(standing: Production) -> str:
    """How ``check`` finds them."""
    found = {one["name"]: one["status"] for one in standing.run("check").result["checks"]}
    return str(found["containers"])


def backups_of(standing: Production, ran: Ran) -> list[str]:
    """Levels of the backups that a run has made, newest first."""
    found = standing.run("backup", "list").result["backups"]
    return [backup["level"] for backup in found if backup["run"] == ran.result["run_id"]]


def test_orders_that_are_placed_until_the_stop_are_in_the_restore_point(standing: Production) -> None:
    placed, done = [], threading.Event()

    def visit() -> None:
        while not done.wait(0.02):
            if standing.shop.place_order().status == 201:
                placed.append(time.monotonic())

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        ran = standing.deploy(standing.shop.commit_version("2.35", on=standing.commit, migrations=GIFT, healthy=False))
    finally:
        done.set()
        visitor.join()
    assert (ran.exit_code, ran.result["outcome"]) == (3, "rolled_back"), ran.said
    assert ran.result["rollback"]["lossless"]
    assert backups_of(standing, ran) == ["L1", "L2"]
    assert standing.shop.get("/orders/count").body["count"] >= len(placed)


def test_a_version_without_migrations_is_started_and_taken_back_alone(standing: Production) -> None:
    ran = standing.deploy(standing.shop.commit_version("2.4", on=standing.commit))
    assert (ran.exit_code, ran.result["outcome"], ran.result["backup_id"]) == (0, "deployed", None), ran.said
    assert "stop" not in [step["name"] for step in ran.result["steps"]]
    assert standing.version == "2.4"
    back = standing.run("rollback")
    assert back.exit_code == 0, back.said


@contextmanager
def holding(docker: Docker, production: Production) -> Iterator[None]:
    """The lock that ``HELD`` waits for is another session's."""
    typed = "SELECT pg_advisory_lock(4711);\n\\echo held\n"
    psql = ["docker", "compose", "exec", "-T", "db", "psql", "-U", "shop", "-d", "shop", "-Atq"]
    with subprocess.Popen(
        psql, env=docker.variables, cwd=production.shop.server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write(typed)
        session.stdin.flush()
        assert "held\n" in iter(session.stdout.readline, "")
        yield  # after it psql has no more input, and ends


def test_online_the_application_goes_on_while_the_migration_runs(standing: Production, docker: Docker) -> None:
    good = standing.shop.commit_version("2.5", on=standing.commit, migrations={"20240804090000_held": HELD})
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%advisory%'"
    with ThreadPoolExecutor(1) as pool, holding(docker, standing):
        deploying = pool.submit(standing.deploy, good, "--strategy", "online")
        until(lambda: deploying.done() or standing.shop.sql(waiting), "the migration runs", timeout=240)
        assert [standing.shop.get(path).status for path in ("/version", "/health", "/orders/count") * 5] == [200] * 15
        assert (deploying.done(), standing.version) == (False, "1.1")
    ran = deploying.result()
    assert (ran.exit_code, ran.result["outcome"]) == (0, "deployed"), ran.said
    assert standing.version == "2.5"
    assert "stop" not in [step["name"] for step in ran.result["steps"]]
    assert standing.run("rollback").exit_code == 0


def test_what_was_written_since_is_not_lost_by_a_rollback(standing: Production) -> None:
    drop = {"20240805090000_drop": 'ALTER TABLE "Order" DROP COLUMN note;'}
    before = standing.columns
    good = standing.shop.commit_version("2.6", on=standing.commit, migrations=drop)
    assert standing.deploy(good).exit_code == 0
    placed = standing.shop.place_order()
    assert placed.status == 201
    refused = standing.run("rollback")
    assert (refused.exit_code, refused.error["code"]) == (4, "data_would_be_lost"), refused.said
    until(lambda: standing.shop.get("/health").status == 200, "the application goes on in the version it has")
    assert (standing.version, standing.columns) == ("2.6", before - {"note"})
    standing.shop.sql(f'DELETE FROM "Order" WHERE id = {placed.body["id"]}')
    back = standing.run("rollback", "--accept-data-loss")
    assert back.exit_code == 0, back.said


def test_a_client_that_is_killed_while_the_application_is_stopped_is_settled_by_the_next_run(
    standing: Production,
) -> None:
    slow = {"20240806090000_asleep": 'ALTER TABLE "Order" ADD COLUMN asleep TEXT; SELECT pg_sleep(30);'}
    process = standing.start(
        "deploy", "--ref", standing.shop.commit_version("2.7", on=standing.commit, migrations=slow)
    )
    until(
        lambda: standing.shop.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' LIMIT 1 OFFSET 1"),
        "the migration runs",
        timeout=240,
    )
    process.kill()
    process.communicate()
    assert standing.shop.get("/health").status == 0
    interrupted = standing.run("status")
    assert len(interrupted.result["interrupted"]) == 1, interrupted.said
    settled = standing.run("backup", "create")
    assert settled.exit_code == 0, settled.said
    until(lambda: standing.shop.get("/health").status == 200, "the application runs again")
    if standing.version == "2.7":  # the server had committed before it noticed
        assert standing.run("rollback").exit_code == 0


def test_a_database_that_does_not_run_is_started(standing: Production) -> None:
    standing.shop.compose("stop", "db")
    ran = standing.deploy(standing.commit)
    assert ran.exit_code == 0, ran.said


def test_files_that_were_changed_by_hand_are_not_thrown_away(standing: Production) -> None:
    changed = standing.shop.server / "web" / "shop.py"
    text = changed.read_text()
    changed.write_text(text + "# a quick fix\n")
    ran = standing.deploy(standing.shop.commit_version("2.8", on=standing.commit))
    assert (ran.exit_code, ran.error["code"]) == (5, "refused"), ran.said
    assert changed.read_text().endswith("# a quick fix\n")
    changed.write_text(text)


@pytest.mark.parametrize(("ref", "code", "exit_code"), [("--upload-pack=x", "usage", 2), ("nowhere", "not_found", 2)])
def test_a_version_that_is_none_is_refused(standing: Production, ref: str, code: str, exit_code: int) -> None:
    ran = standing.run("deploy", f"--ref={ref}")
    assert (ran.exit_code, ran.error["code"]) == (exit_code, code), ran.said


def test_every_run_left_a_line_on_the_server(production: Production) -> None:
    path = production.directory / "backups" / ".locktender" / "production" / "audit.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["operation"] for line in lines} >= {"deploy", "rollback"}
    assert {line["outcome"] for line in lines} >= {"deployed", "rolled_back"}
    assert all(line["actor"] and line["at"] and line["run"] for line in lines)
