"""What workers do by themselves: real processes, a real ledger, a real database, real webhooks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from procrastinate import App

from bot import ask_queue
from bot.ask_queue import QUEUE, TASK, AskWorker
from bot.asks import Ask, to_payload
from bot.schedule import Scheduled
from bot.watch import Watch
from bot.wiring import scheduled
from operations.adapters import queue_connector, queue_loop
from operations.adapters.ledger_connection import keywords_of
from operations.adapters.queue import Worker
from operations.adapters.queue_connector import Connector
from operations.database_url import parse_database_url
from operations.errors import ConfigurationError
from operations.health import NAMES
from operations.secret import Secret
from operations.settings import Environment, Schedule, Settings
from operations.settings_file import load

from .conftest import Server
from .ledgers import opened
from .ports import free_port
from .slack.stage import ADA, OPS, PATIENCE, eventually, staged
from .stalling import Relay
from .test_monitor import hook

ASK = Ask("answer", "status", "production", OPS, ADA)
MANY = min(32, (os.cpu_count() or 1) + 4) + 1
"""More than a loop has threads of its own."""
MOMENTS, STEP = 12, 0.012
"""How many moments, and seconds between them: a worker takes a tenth of a second to be at work."""
OTHERS = json.dumps([name for name in NAMES if name != "backups"])


@pytest.mark.campaign
def test_two_workers_look_and_one_of_them_tells(tmp_path: Path, server18: Server) -> None:
    due = f"{datetime.now(UTC) - timedelta(minutes=1):%M %H * * *}"  # done at the start, and not again today
    with hook() as one:
        more = f"""
[environments.production.schedule]
monitor = "{due}"
report = "{due}"
[environments.production.checks]
ignore = {OTHERS}
[environments.production.alerts]
webhooks = ["{one.url}"]
internal = true
after = 1
"""
        target, ledger = server18.url(server18.create()), server18.url(server18.create())
        with staged(tmp_path, target, ledger, more=more) as stage:
            port = free_port()
            stage.worker()
            stage.worker(LOCKTENDER_WORKER_PORT=str(port))
            (look,) = eventually(lambda: stage.ledger.memory("production").looks(0), "a look that told something")
            assert [event[:3] for event in look["events"]] == [["raised", "backups", "warn"]]
            eventually(lambda: not stage.ledger.memory("production").load().outbox, "all is sent")
            eventually(lambda: stage.get("/metrics", port) == 200, "the other worker is there")
            page = eventually(lambda: told if "locktender_check" in (told := stage.page("/metrics", port)) else None)
            assert 'locktender_check_status{check="backups",environment="production",subject=""} 1.0' in page
            assert 'locktender_alert_standing{check="backups",environment="production"} 1.0' in page
            assert "locktender_bot_answers_total" in page
            card = stage.card("production: report")
            assert len([one for one in stage.slack.of(OPS) if "production: report" in one.all_text]) == 1
            assert "Approvals" in card.all_text
            files = eventually(lambda: [one for one in stage.slack.files.values() if one.get("channel")], "its files")
            assert {one["thread_ts"] for one in files} <= {one.ts for one in stage.slack.of(OPS)}
            written = next(one["content"] for one in files if one["name"] == "report-production.html")
            assert written.startswith(b"<!doctype html>")
        assert [json.loads(body)["summary"] for _, _, body in one.got] == ["production: backups warn"]


@pytest.fixture
def queue(server18: Server) -> Iterator[dict[str, Any]]:
    """How a ledger's queue is connected to."""
    url = server18.url(server18.create())
    with opened(url):
        yield keywords_of(parse_database_url(url), "test")


@contextmanager
def at_work(worker: AskWorker) -> Iterator[None]:
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def put(queue: dict[str, Any], task: str, lock: str | None = None, status: str = "doing", of: str = QUEUE) -> None:
    """A job that waits, or was begun by a worker which is no more."""
    with psycopg.connect(**queue) as connection:
        connection.execute("SET search_path TO locktender")
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (of, task, lock, lock, json.dumps(to_payload(ASK) if task == TASK else {}), status),
        )


def execute(queue: dict[str, Any], statement: LiteralString) -> None:
    with psycopg.connect(**queue) as connection:
        connection.execute(statement)


def test_what_a_dead_worker_had_begun_stops_neither_the_next_look_nor_an_ask(queue: dict[str, Any]) -> None:
    looks: list[str] = []
    asks: list[Ask] = []
    name = "locktender.monitor production"
    put(queue, name, name)
    put(queue, name, name, "todo")  # behind the dead one
    put(queue, TASK)
    never = f"0 0 1 {(datetime.now(UTC) + timedelta(days=180)):%m} *"
    worker = AskWorker(queue, asks.append, 1, [Scheduled("monitor", "production", never, looks.append)])
    with at_work(worker):
        eventually(lambda: looks == ["production"], "the next look")
        eventually(lambda: asks == [ASK], "the ask")


def test_a_database_that_fails_once_ends_no_rescue(
    queue: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ask_queue, "RESCUE", 0.1)
    asks: list[Ask] = []
    put(queue, TASK)
    execute(queue, "ALTER FUNCTION locktender.procrastinate_retry_job_v2 RENAME TO away")
    with at_work(AskWorker(queue, asks.append, 1)):
        eventually(lambda: "could not be taken up" in caplog.text, "it failed")
        execute(queue, "ALTER FUNCTION locktender.away RENAME TO procrastinate_retry_job_v2")
        eventually(lambda: asks == [ASK], "the ask")


def test_as_many_asks_as_there_may_be_are_answered_at_the_same_time(queue: dict[str, Any]) -> None:
    together = threading.Barrier(MANY + 1)
    for _ in range(MANY):
        put(queue, TASK, status="todo")
    with at_work(AskWorker(queue, lambda _: together.wait(PATIENCE) and None, MANY)):
        together.wait(PATIENCE)


def test_as_many_requests_as_there_may_be_are_at_work_at_the_same_time(queue: dict[str, Any]) -> None:
    together = threading.Barrier(MANY)
    done: list[str] = []

    def plan(_request_id: str) -> None:
        together.wait(PATIENCE)
        done.append("planned")

    for _ in range(MANY):
        put(queue, "locktender.plan", status="todo", of="locktender")
    Worker(queue, {"plan": plan}, MANY).run(wait=False)
    assert len(done) == MANY


def test_a_worker_that_is_told_to_stop_while_it_starts_ends_in_peace(tmp_path: Path, server18: Server) -> None:
    with staged(tmp_path, server18.url(server18.create()), server18.url(server18.create())) as stage:
        worker = stage.worker()
        eventually(lambda: "worker started" in stage.logs(), "it has begun")
        assert stage.stop(worker) == 0
        assert stage.logs().count("worker stopped") == 1


def stopped(queue: dict[str, Any], after: float) -> threading.Thread:
    """A worker that was told to stop ``after`` seconds: the thread it runs in."""
    stopping = threading.Event()
    thread = threading.Thread(target=Worker(queue, {}).run, kwargs={"stopping": stopping}, daemon=True)
    thread.start()
    time.sleep(after)
    stopping.set()
    return thread


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_worker_ends_in_whatever_moment_of_its_start_it_is_told_to(
    queue: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    monkeypatch.setattr(queue_loop, "LOOK", 0.001)
    thread = stopped(queue, moment * STEP)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_worker_ends_while_the_queue_does_not_answer(queue: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        begun = time.monotonic()
        thread = stopped({**queue, "host": "127.0.0.1", "port": deaf.getsockname()[1]}, 0.5)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert time.monotonic() - begun < float(queue["connect_timeout"])


@pytest.fixture
def relay(queue: dict[str, Any]) -> Iterator[Relay]:
    """The way to the queue from then on."""
    relay = Relay(int(queue["port"]))
    queue.update(host="127.0.0.1", port=relay.port)
    yield relay
    relay.close()


def test_a_worker_ends_after_the_queue_has_fallen_silent(
    queue: dict[str, Any], relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_loop, "GRACE", 0.3)
    begun, goes_on, stopping = threading.Event(), threading.Event(), threading.Event()

    def plan(_request_id: str) -> None:
        begun.set()
        goes_on.wait(PATIENCE)

    put(queue, "locktender.plan", status="todo", of="locktender")
    thread = threading.Thread(target=Worker(queue, {"plan": plan}).run, kwargs={"stopping": stopping}, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE)
    relay.stall()
    stopping.set()
    thread.join(1.0)
    assert thread.is_alive()  # what is at work is not broken off
    goes_on.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.campaign
def test_asks_are_answered_after_the_line_has_fallen_silent(
    queue: dict[str, Any], relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_connector, "ANSWER", 1.0)
    asks: list[Ask] = []
    put(queue, TASK, status="todo")
    with at_work(AskWorker(queue, asks.append, 1)):
        eventually(lambda: len(asks) == 1, "the ask")
        relay.stall()
        put(queue, TASK, status="todo")
        eventually(lambda: len(asks) == 2, "the next ask")


def test_what_fails_beside_a_worker_is_raised(queue: dict[str, Any]) -> None:
    async def beside() -> None:
        raise LookupError("a fault of its own")

    async def work() -> None:
        app = App(connector=Connector(kwargs=queue | {"options": "-c search_path=locktender"}))
        await queue_loop.work(app, threading.Event(), beside)

    with pytest.raises(LookupError, match="a fault of its own"):
        asyncio.run(work())


def test_what_is_scheduled_is_what_the_configuration_names() -> None:
    def environment(name: str, **schedule: str) -> Environment:
        return Environment(name, Secret("postgresql://u:p@h/d"), "/m", "/b", schedule=Schedule(**schedule))

    settings = Settings((environment("a"), environment("b", monitor="*/5 * * * *", report="0 7 * * 1")))
    watch = Watch(settings, None)  # type: ignore[arg-type]
    assert scheduled(settings, watch) == [
        Scheduled("monitor", "b", "*/5 * * * *", watch.look),
        Scheduled("report", "b", "0 7 * * 1", watch.report),
    ]


@pytest.mark.parametrize("wrong", ["", "hourly", "* * * *", "61 * * * *", "* * * * * *", "@daily"])
def test_what_is_no_cron_expression_is_refused(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "locktender.toml"
    file.write_text(
        '[environments.p]\ndatabase_url = "postgresql://u:p@h/d"\nmigrations = "m"\nbackup_dir = "b"\n'
        f'[environments.p.schedule]\nmonitor = "{wrong}"\n'
    )
    with pytest.raises(ConfigurationError, match="must be a cron expression of five fields"):
        load(file, {})
