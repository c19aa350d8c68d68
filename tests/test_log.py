"""The log: what operations leave in it, that no secret does, and that it neither grows for ever nor fails a run."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from operations.adapters import log_file
from operations.adapters.log_file import LogFile
from operations.secret import Secret

from .conftest import Server
from .locktender_process import Project


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def project(server18: Server, tmp_path: Path) -> Project:
    folder = tmp_path / "migrations"
    (folder / "1_init").mkdir(parents=True)
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n')
    (folder / "1_init" / "migration.sql").write_text("CREATE TABLE a (id int PRIMARY KEY);")
    log = json.dumps(str(tmp_path / "locktender.log"))
    return Project(tmp_path, server18.url(server18.create()), folder, settings={"log_file": log})


def test_a_run_can_be_followed_from_call_to_step(project: Project, tmp_path: Path) -> None:
    done = project.run("apply")
    assert done.exit_code == 0, done.said
    told = lines(tmp_path / "locktender.log")
    assert [one["event"] for one in told][:2] == ["call_started", "run_started"]
    assert {"committing", "step_finished", "run_finished"} <= {one["event"] for one in told}
    assert len({one["call"] for one in told}) == 1
    assert {one["run"] for one in told if "run" in one} == {done.result["run_id"]}
    assert all(one["verb"] == "apply" and one["environment"] == "local" and one["actor"] for one in told)
    end = told[-1]
    assert (end["event"], end["exit_code"], end["outcome"]) == ("call_ended", 0, "deployed")
    assert (tmp_path / "locktender.log").stat().st_mode & 0o777 == 0o600


def test_calls_that_come_to_nothing_are_told_too(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKTENDER_LOG", str(tmp_path / "other.log"))
    elsewhere = replace(project, settings={"strateg": '"x"'}, directory=tmp_path / "wrong")
    assert elsewhere.run("status").exit_code == 2
    (end,) = lines(tmp_path / "other.log")
    assert (end["event"], end["verb"], end["error"], end["exit_code"]) == ("call_ended", "status", "configuration", 2)


def test_a_log_that_cannot_be_written_fails_nothing(project: Project, tmp_path: Path) -> None:
    done = replace(project, settings={"log_file": json.dumps(str(tmp_path / "no" / "where.log"))}).run("status")
    assert done.exit_code == 1, "something is pending"
    assert done.stderr.count("cannot be written: No such file or directory.") == 1


def test_no_secret_and_nothing_endless(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"), {"call": "c"}, (Secret('p"w'),), print)
    log("event", {"text": 'x p"w y', "long": "z" * 5000, "rows": [1, 2], "none": None, "yes": True, "odd": "\udc80"})
    (told,) = lines(tmp_path / "log")
    assert (told["text"], len(told["long"]), told["yes"]) == ("x *** y", 2000, True)
    assert not {"rows", "none"} & set(told)


def test_processes_share_it_and_it_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LARGEST", 2_000)

    def work(number: int) -> None:
        log = LogFile(str(tmp_path / "log"), {"n": number}, (), print)
        for step in range(50):
            log("event", {"step": step})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", *(f"log.{n}" for n in range(1, 6))]
    assert all(path.stat().st_size < 2_200 for path in tmp_path.iterdir())
    assert all(one["event"] == "event" for path in tmp_path.iterdir() for one in lines(path))
