"""One trial: begin, kill, look, let the next run settle, look again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..locktender_process import Ran, finish
from .ground import expect
from .scenarios import References, Stage

OLD, NEW, UNCHANGED = "old state", "new state", "the same state"
BETWEEN = "in between until settled"
Await = Callable[[Stage, Callable[[], bool]], None]
"""Returns when it is time to strike; its second argument tells whether the run has ended by itself."""


def after_seconds(seconds: float) -> Await:
    """Strike so long after the start."""

    def wait(stage: Stage, ended: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not ended():
            time.sleep(0.001)

    return wait


def after_line(number: int) -> Await:
    """Strike as soon as the run's journal has so many lines."""

    def wait(stage: Stage, ended: Callable[[], bool]) -> None:
        before = stage.journal_lines()
        while stage.journal_lines() < before + number and not ended():
            time.sleep(0.0005)

    return wait


@dataclass(frozen=True)
class Trial:
    """A scenario with its references, to be interrupted again and again."""

    stage: Stage
    references: References

    def kill_client(self, when: Await, settle_by: str) -> str:
        """SIGKILL the whole client process; returns what stood before the next run."""
        self.stage.reset()
        process = self.stage.start()
        when(self.stage, lambda: process.poll() is not None)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        finish(process)
        return self.judge(settle_by)

    def judge(self, settle_by: str, *, counts_lost: bool = False) -> str:
        """Everything that must hold after an interruption; raises ``AssertionError`` for what does not.

        ``counts_lost``: the server forgot what was written (a crash resets its statistics), so where files commit one
        by one, nobody can know that going back loses nothing: whole files may then stay until a person says so.
        """
        stage = self.stage
        assert stage.ground.answers(), "the live name does not answer"
        stage.ground.await_quiet()
        stood = self.state()
        assert stood != BETWEEN or stage.scenario.between, f"neither old nor new: {stage.project.run('status').said}"
        self._status_agrees(stood)
        self._backups_are_whole()
        said = self._settles(settle_by, stood, counts_lost=counts_lost)
        return f"{stood}{said}"

    def state(self) -> str:
        seen = self.stage.observe()
        if self.references.old == self.references.new == seen:
            return UNCHANGED
        return {self.references.old: OLD, self.references.new: NEW}.get(seen, BETWEEN)

    def _status_agrees(self, stood: str) -> None:
        """What is applied and pending, that a run died, and in which state it left the database."""
        ran = self.stage.project.run("status")
        expect(ran, 0, 1)
        result: dict[str, Any] = ran.result
        last = result["last_run"]
        if result["interrupted"] and last and last["run_id"] in result["interrupted"]:
            assert stood == UNCHANGED or {"old": OLD, "new": NEW, "between": BETWEEN}[last["state"]] == stood, ran.said
        if stood == BETWEEN:
            assert result["interrupted"], ran.said
            assert ran.exit_code == 1, ran.said
            return
        assert result["failed"] == [], ran.said
        with self.stage.ground.live.session() as session:
            rows = session.rows("SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL")
        folder = {path.name for path in self.stage.project.migrations.iterdir() if path.is_dir()}
        applied = {row[0] for row in rows}
        assert set(result["applied"]) == applied, ran.said
        assert set(result["pending"]) == folder - applied, ran.said
        assert (ran.exit_code == 1) is bool(folder - applied or result["interrupted"]), ran.said

    def _backups_are_whole(self) -> None:
        """Whatever bears the name of a backup is one."""
        standing = self.stage.backups()
        listed = expect(self.stage.project.run("backup", "list"), 0).result["backups"]
        assert sorted(backup["id"] for backup in listed) == standing
        for name in standing[-1:]:
            assert expect(self.stage.project.run("backup", "verify", name), 0).result["intact"]

    def _settles(self, settle_by: str, stood: str, *, counts_lost: bool) -> str:
        """The next run leaves one of the two states, and nothing lying about; returns what a person had to do."""
        stage = self.stage
        ran = settled(stage, settle_by)
        stage.ground.await_quiet()
        assert stage.ground.scratch() == [], ran.said
        assert not stage.lock_held()
        assert stage.partials() == [], ran.said
        after = self.state()
        if after == BETWEEN and counts_lost:
            note = next((note for note in ran.result["notes"] if "Those stay, whole" in note), "")
            assert note, f"neither old nor new, and nobody is told: {ran.said}"
            self.go_back(note)
            return "; the old one by the hint"
        assert after != BETWEEN, ran.said
        if settle_by == "deploy" and stage.scenario.code == 0:
            assert after == NEW, ran.said
        elif stood != BETWEEN and settle_by == "backup":
            assert after == stood, ran.said
        expect(stage.project.run("status"), 0, 1)
        return ""

    def go_back(self, told: str) -> None:
        """Type what a person is told to, and see the old state."""
        last = self.stage.project.run("status").result["last_run"]
        hinted = ["rollback", "--run", last["run_id"], "--accept-data-loss", "--yes"]
        assert " ".join(hinted) in told, told
        back = expect(self.stage.project.run(*hinted), 0)
        assert self.state() in (OLD, UNCHANGED), back.said
        assert self.stage.ground.scratch() == [], back.said


def settled(stage: Stage, by: str) -> Ran:
    """A run that finds the dead one's traces: the same deploy again, or a backup."""
    if by == "deploy":
        return expect(stage.project.run("deploy"), stage.scenario.code)
    return expect(stage.project.run("backup", "create"), 0)


def ended_as_promised(trial: Trial, ran: Ran) -> None:
    """The exit status says what stands: 0 new, 3 and 5 old, 4 that a person is needed and what to type."""
    seen = trial.stage.observe()
    if ran.exit_code == 0:
        assert seen == trial.references.new, ran.said
    elif ran.exit_code in (3, 5):
        assert seen == trial.references.old, ran.said
    else:
        assert ran.exit_code == 4, ran.said
        assert ran.error["hint"], ran.said


def person_follows(trial: Trial, ran: Ran) -> str:
    """What a person does who is told that one is needed: look at the status, then type what the hint says."""
    stage = trial.stage
    assert stage.ground.answers(), "the live name does not answer"
    stage.ground.await_quiet()
    stood = trial.state()
    last = stage.project.run("status").result["last_run"]
    assert (last["outcome"], last["state"]) == ("needs_attention", {OLD: "old", NEW: "new"}.get(stood, "between"))
    trial.go_back(ran.error["hint"])
    return f"{stood}; the old one by the hint"
