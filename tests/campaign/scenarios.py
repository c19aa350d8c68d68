"""What is interrupted: a verb in a prepared situation, and the two states that may stand afterwards."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..conftest import Server
from ..locktender_process import Project, Ran, finish
from . import shop
from .ground import Ground, expect
from .scale import count
from .states import observe

MEASURED = 3
ProjectOf = Callable[..., Project]


@dataclass(frozen=True)
class Scenario:
    """``before`` and ``each`` are runs that lead to the situation: once for all trials, and again for each.

    ``code`` is the exit status of an uninterrupted run. ``between`` says that a killed run may leave something half
    done until the next one settles it: where files commit one by one.
    """

    name: str
    verb: tuple[str, ...]
    pending: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[Stage], None] | None = None
    each: Callable[[Stage], None] | None = None
    code: int = 0
    between: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Stage:
    """A scenario set up on a server: each trial begins with ``reset``."""

    scenario: Scenario
    ground: Ground
    project: Project
    pristine: Path

    @classmethod
    def build(cls, scenario: Scenario, server: Server, directory: Path, project_of: ProjectOf = Project) -> Stage:
        """The base history deployed with data, then what the scenario wants before."""
        migrations = shop.write(directory / "migrations", shop.BASE)
        ground = Ground(server)
        project = project_of(directory / "project", ground.url, migrations, settings=scenario.settings)
        stage = cls(scenario, ground, project, directory / "pristine")
        ground.reset()
        expect(project.run("deploy"), 0)
        shop.write(migrations, scenario.pending)
        if scenario.before:
            scenario.before(stage)
        ground.await_quiet()
        shutil.copytree(project.backup_path, stage.pristine)
        return replace(stage, ground=ground.kept_as_template())

    def reset(self) -> None:
        self.ground.reset()
        shutil.rmtree(self.project.backup_path, ignore_errors=True)
        shutil.copytree(self.pristine, self.project.backup_path)
        if self.scenario.each:
            self.scenario.each(self)

    def observe(self) -> str:
        return observe(self.ground.url)

    def start(self) -> subprocess.Popen[str]:
        return self.project.start(*self.scenario.verb)

    def backups(self) -> list[str]:
        """What stands in the backup directory under a name that is no backup in the making."""
        names = [path.name for path in self.project.backup_path.iterdir()]
        return sorted(name for name in names if not name.startswith(".") and not name.endswith(".partial"))

    def partials(self) -> list[str]:
        return [path.name for path in self.project.backup_path.glob("*.partial")]

    def lock_held(self) -> bool:
        return (self.project.state_path / "lock").exists()

    def journal_lines(self) -> int:
        """Lines in the newest journals beyond those of the pristine state."""
        return sum(path.read_bytes().count(b"\n") for path in self.project.state_path.glob("journal/*.jsonl"))


@dataclass(frozen=True)
class References:
    """The two states that may stand, how long an undisturbed run takes, and how many journal lines it writes."""

    old: str
    new: str
    seconds: float
    lines: int

    @classmethod
    def measure(cls, stage: Stage) -> References:
        seconds = []
        for _ in range(count(MEASURED)):
            stage.reset()
            old, lines = stage.observe(), stage.journal_lines()
            began = time.monotonic()
            ran: Ran = finish(stage.start())
            seconds.append(time.monotonic() - began)
            expect(ran, stage.scenario.code)
            lines = stage.journal_lines() - lines
        return cls(old, stage.observe(), statistics.median(seconds), lines)


def _one_backup(stage: Stage) -> None:
    expect(stage.project.run("backup", "create"), 0)
    with stage.ground.live.session() as session:
        session.script('DELETE FROM "Order" WHERE id % 7 = 0; ALTER TABLE "Customer" ADD COLUMN later INTEGER;')


def _deployed(stage: Stage) -> None:
    expect(stage.project.run("deploy"), 0)


def _restored(stage: Stage) -> None:
    expect(stage.project.run("restore", "latest"), 0)


ONLINE = {"strategy": '"online"'}
DEPLOY = ("deploy",)
SCENARIOS = (
    Scenario("deploy in one transaction", DEPLOY, shop.ATOMIC),
    Scenario("deploy in one transaction, online", DEPLOY, shop.ATOMIC, {**ONLINE, "transactions": '"whole"'}),
    Scenario("deploy file by file, online", DEPLOY, shop.ATOMIC, ONLINE, between=True),
    Scenario("deploy with CONCURRENTLY", DEPLOY, shop.CONCURRENT, between=True),
    Scenario("deploy with CONCURRENTLY, online", DEPLOY, shop.CONCURRENT, ONLINE, between=True),
    Scenario("deploy that fails and is put back", DEPLOY, shop.FAILING, code=3, between=True),
    Scenario("backup", ("backup", "create")),
    Scenario("restore", ("restore", "latest"), before=_one_backup),
    Scenario("undo of a restore", ("restore", "--undo"), before=_one_backup, each=_restored),
    Scenario("rollback", ("rollback",), shop.ATOMIC, each=_deployed),
    Scenario("rollback of additive steps", ("rollback",), shop.ADDITIVE, each=_deployed, between=True),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
