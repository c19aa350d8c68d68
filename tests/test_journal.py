"""The journal: what is written is read, what a crash cut short is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from operations import journal, lock
from operations.context import Context
from operations.errors import LockLost
from operations.layout import state_directory
from operations.secret import Secret


@pytest.fixture
def context(context_of: Callable[..., Context]) -> Context:
    return context_of(Secret("postgresql://nobody@127.0.0.1:1/none"))


def test_a_run_is_read_back(context: Context) -> None:
    with lock.held(context, "deploy", "run-1") as held:
        written = journal.Journal.open(context, held, "deploy", target="app")
        written.record("step_started", name="apply")
        written.record("step_started", name="check")
        assert not journal.records(context)[0].finished
        written.finish("deployed")
    (run,) = journal.records(context)
    assert (run.run_id, run.operation, run.outcome) == ("run-1", "deploy", "deployed")
    assert [facts["name"] for facts in run.all("step_started")] == ["apply", "check"]
    assert run.first("run_started")["target"] == "app"


def test_every_prefix_of_the_file_reads_as_a_prefix_of_the_run(context: Context) -> None:
    with lock.held(context, "deploy", "run-1") as held:
        written = journal.Journal.open(context, held, "deploy", note="ü\n")
        written.finish("deployed")
    data = context.host.read(f"{state_directory(context.environment)}/journal/run-1.jsonl")
    whole = journal.parse(data)
    assert len(whole) == 2
    for cut in range(len(data)):
        entries = journal.parse(data[:cut])
        assert entries == whole[: len(entries)]
        assert len(entries) == data[:cut].count(b"\n")


def test_a_line_cut_short_does_not_swallow_the_next(context: Context) -> None:
    with lock.held(context, "deploy", "run-1") as held:
        journal.Journal.open(context, held, "deploy")
    context.host.append(f"{state_directory(context.environment)}/journal/run-1.jsonl", b'{"event":"step_st')
    with lock.held(context, "deploy", "run-2") as held:
        journal.Journal.reopen(context, held, "run-1").finish("rolled_back")
    (run,) = journal.records(context)
    assert run.outcome == "rolled_back"


def test_a_secret_in_an_error_is_not_kept(context: Context) -> None:
    context = replace(context, secrets=(Secret("hunter2"),))
    with lock.held(context, "deploy", "run-1") as held:
        journal.Journal.open(context, held, "deploy").finish("rolled_back", error="docker said: pg://u:hunter2@h")
    state = state_directory(context.environment)
    for path in (f"{state}/journal/run-1.jsonl", f"{state}/{journal.AUDIT}"):
        assert b"pg://u:***@h" in context.host.read(path)


def test_who_lost_the_lock_writes_nothing_more(context: Context) -> None:
    with lock.held(context, "deploy", "run-1") as held:
        written = journal.Journal.open(context, held, "deploy")
    with pytest.raises(LockLost):
        written.record("step_started", name="apply")
    (run,) = journal.records(context)
    assert len(run.entries) == 1


def test_the_latest_of_two_runs_of_the_same_second_is_the_later_one(context: Context) -> None:
    for run_id in ("20240101T000000Z-ffffff", "20240101T000000Z-000000"):
        with lock.held(context, "deploy", run_id) as held:
            journal.Journal.open(context, held, "deploy")
    assert [record.run_id[-6:] for record in journal.latest(context, 2)] == ["000000", "ffffff"]


def test_lines_that_no_version_writes_say_nothing(context: Context) -> None:
    lines = [b"[1]", b"5", b'"x"', b"null", b"\xff", b'{"event": "run_started", "at": 5, "token": "no"}']
    directory = f"{state_directory(context.environment)}/journal"
    context.host.make_directory(directory)
    context.host.append(f"{directory}/run-1.jsonl", b"\n".join([*lines, b""]))
    (record,) = journal.records(context)
    assert [entry.event for entry in record.entries] == ["run_started"]
