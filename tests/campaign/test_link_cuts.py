"""The line to a server is cut at random moments, or it reboots: a machine of its own as far as the network goes."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from operations.held_session import RECONNECT_FOR

from ..conftest import Server
from ..locktender_process import Project, Ran, finish
from ..netns import Namespace, namespace
from ..sshd import Sshd, children, end, launch, running
from .ground import campaign_server, expect
from .kills import NEW, OLD, UNCHANGED, Trial, after_seconds, ended_as_promised, person_follows, settled
from .results import Finding, save
from .scale import count
from .scenarios import BY_NAME, DEPLOY, References, Scenario, Stage

MOMENTS = 8
"""Per scenario: 40 in all, each manner with and without a return."""
REBOOTS = 4
"""Per scenario: 20 in all, of half of them the machine comes back only after the run has given up."""
KEEPALIVE, CONNECT_TIMEOUT = 1.0, 2.0
LIMIT = 4 * KEEPALIVE + RECONNECT_FOR + 10 * CONNECT_TIMEOUT
"""Seconds in which a client has ended, whatever happens: it notices, tries to reach the database again, cleans up."""
GONE_WITHIN = 30.0
"""Seconds for what is left on the server: its own watch ends it after 4 beats, and gives a program 3 s to end."""
SCENARIOS = (
    BY_NAME["deploy in one transaction"],
    BY_NAME["deploy with CONCURRENTLY"],
    Scenario("backup with a test restore", ("backup", "create", "--test-restore")),
    BY_NAME["restore"],
    BY_NAME["rollback"],
)
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]


@dataclass
class Machine:
    """A namespace with a PostgreSQL and an sshd. Whatever runs there besides, a run of ours has left."""

    line: Namespace
    server: Server
    sshd: Sshd

    def kill_sshd(self) -> None:
        end(self.sshd)

    def start_sshd(self) -> None:
        self.sshd = launch(self.sshd.directory, self.sshd.port, self.sshd.address)

    def power_off(self) -> None:
        """Nobody is told: the line is dead before any process is."""
        self.line.down()
        self.kill_sshd()
        self.server.process.crash()
        for pid in self.line.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def boot(self) -> None:
        self.line.up()
        self.start_sshd()
        self.server.process.launch()

    def await_reachable(self) -> None:
        """A line that is up again takes a moment until the neighbours know each other."""
        until = time.monotonic() + GONE_WITHIN
        with self.line.left():
            while True:
                try:
                    socket.create_connection((self.sshd.address, self.sshd.port), timeout=5).close()
                    return
                except OSError:
                    assert time.monotonic() < until
                    time.sleep(0.1)

    def left(self) -> list[str]:
        """Command lines of processes, and database sessions, that are nobody's any more."""
        own = {self.sshd.process.pid, *_below(self.postmaster)}
        found = [f"{pid}: {words}" for pid in self.line.processes() - own if (words := _words(pid))]
        with self.server.superuser().session() as session:
            sessions = session.rows(
                "SELECT pid, application_name, datname, state, query FROM pg_stat_activity"
                " WHERE application_name LIKE 'locktender%' AND pid <> pg_backend_pid()"
            )
        return found + [str(row) for row in sessions]

    def await_nothing_left(self) -> None:
        until = time.monotonic() + GONE_WITHIN
        while left := self.left():
            assert time.monotonic() < until, left
            time.sleep(0.1)

    @property
    def postmaster(self) -> int:
        return int(Path(self.server.process.directory, "data/postmaster.pid").read_text().split()[0])


def _below(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _below(child)


def _words(pid: int) -> str:
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes().replace(b"\0", b" ").decode(errors="replace") if path.exists() else ""


@dataclass(frozen=True)
class Outside(Project):
    """The program on this machine, which reaches the server by SSH alone."""

    line: Namespace = field(kw_only=True)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with self.line.left():
            return super().start(*arguments)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The tests themselves are inside of it, where they see what stands whether the line does or not."""
    directory = tmp_path_factory.mktemp("sshd")
    with (
        namespace() as line,
        line.entered(),
        campaign_server(15) as server,
        running(directory, address=line.address) as sshd,
    ):
        machine = Machine(line, server, sshd)
        yield machine
        end(machine.sshd)


@dataclass(frozen=True)
class Manner:
    """A way to cut the line, and the way to mend it."""

    name: str
    cut: Callable[[Machine], None]
    mend: Callable[[Machine], None]


MANNERS = (
    Manner("link down", lambda machine: machine.line.down(), lambda machine: machine.line.up()),
    Manner("to the server lost", lambda m: m.line.lose("INPUT"), lambda m: m.line.lose_nothing()),
    Manner("from the server lost", lambda m: m.line.lose("OUTPUT"), lambda m: m.line.lose_nothing()),
    Manner("sshd killed", Machine.kill_sshd, Machine.start_sshd),
)

REBOOT = Manner("reboot", Machine.power_off, Machine.boot)


@dataclass(frozen=True)
class Measured:
    """A scenario on the machine. ``packets`` are those that an undisturbed run sends to the server."""

    trial: Trial
    machine: Machine
    packets: int

    @classmethod
    def of(cls, scenario: Scenario, machine: Machine, directory: Path) -> Measured:
        reached = {
            **machine.sshd.toml(),
            "keepalive": f'"{KEEPALIVE:g}s"',
            "connect_timeout": f'"{CONNECT_TIMEOUT:g}s"',
        }
        project_of = partial(Outside, line=machine.line, server=reached)
        stage = Stage.build(scenario, machine.server, directory, project_of)
        stage.reset()
        old, before, began = stage.observe(), machine.line.packets(), time.monotonic()
        expect(finish(stage.start()), 0)
        references = References(old, stage.observe(), time.monotonic() - began, 0)
        return cls(Trial(stage, references), machine, machine.line.packets() - before)

    def cut_off(self, manner: Manner, packets: int, later: float, back: float | None) -> tuple[Ran, float]:
        """The line is cut after so many packets, and seconds; the run, and in how many seconds it then ended.

        Mended after ``back`` seconds, or once the run has ended.
        """
        stage, machine = self.trial.stage, self.machine
        stage.reset()
        packets += machine.line.packets()
        process = stage.start()
        while machine.line.packets() < packets and process.poll() is None:
            time.sleep(0.0005)
        after_seconds(later)(stage, lambda: process.poll() is not None)
        manner.cut(machine)
        began = time.monotonic()
        mended = False
        try:
            if back is not None:
                after_seconds(back)(stage, lambda: process.poll() is not None)
                manner.mend(machine)
                mended = True
            ran = finish(process, LIMIT)
            return ran, time.monotonic() - began
        finally:
            if not mended:
                manner.mend(machine)
            machine.await_reachable()

    def judged(self, ran: Ran, *, at_once: bool) -> str:
        """What stood. ``at_once``: the next run begins although the server may not have noticed anything yet."""
        stage = self.trial.stage
        _ended_with_words(ran)
        if at_once:
            settled(stage, self.settle_by)
        stood = self.trial.judge(self.settle_by)
        if not at_once:
            assert stood in {0: (NEW, UNCHANGED), 3: (OLD, UNCHANGED)}.get(ran.exit_code, (stood,)), ran.said
            expect(stage.project.run(*self.once_more), 0)
        elif self.settle_by == "backup" and ran.exit_code == 3:
            assert stood in (OLD, UNCHANGED), ran.said
        self.machine.await_nothing_left()
        return stood if not at_once else f"{stood} after the next run"

    def judged_after_reboot(self, ran: Ran) -> str:
        """What stood. Nothing runs there any more, and the server's counts of rows are gone."""
        _ended_with_words(ran)
        ended_as_promised(self.trial, ran)
        told = ran.exit_code == 4 and "rollback --run" in ran.error["hint"]
        stood = person_follows(self.trial, ran) if told else self.trial.judge(self.settle_by, counts_lost=True)
        self.machine.await_nothing_left()
        return stood

    @property
    def settle_by(self) -> str:
        return "deploy" if self.trial.stage.scenario.verb == DEPLOY else "backup"

    @property
    def once_more(self) -> tuple[str, ...]:
        """What succeeds now, too: what was rolled back can be deployed again."""
        verb = self.trial.stage.scenario.verb
        return DEPLOY if verb == ("rollback",) else verb


def _ended_with_words(ran: Ran) -> None:
    expect(ran, 0, 3, 4)
    assert "Traceback" not in ran.said, ran.said
    if ran.exit_code:
        assert ran.error["message"], ran.said
        assert ran.error["hint"], ran.said


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[scenario.name for scenario in SCENARIOS])
def test_a_cut_line_leaves_the_old_or_the_new_state(machine: Machine, tmp_path: Path, number: int) -> None:
    scenario = SCENARIOS[number]
    measured = Measured.of(scenario, machine, tmp_path)
    chance = random.Random(scenario.name)
    found, slowest = Finding("line cut", scenario.name, "PostgreSQL 15"), 0.0
    for moment in range(moments := count(MOMENTS)):
        manner = MANNERS[(number + moment) % len(MANNERS)]
        back = chance.uniform(1, 7) if (number + moment // len(MANNERS)) % 2 else None
        share = (moment + chance.random()) / moments
        later = chance.choice((0.0, 0.0, chance.uniform(0, 0.3)))
        ran, seconds = measured.cut_off(manner, round(share * measured.packets), later, back)
        slowest = max(slowest, seconds)
        stood = measured.judged(ran, at_once=bool(moment % 2))
        found.add(f"exit {ran.exit_code}, {stood}")
    found.figures["seconds until the client had ended, at most"] = round(slowest, 1)
    save(found)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_server_that_reboots_leaves_the_old_or_the_new_state(
    machine: Machine, tmp_path: Path, scenario: Scenario
) -> None:
    measured = Measured.of(scenario, machine, tmp_path)
    chance = random.Random(f"{scenario.name} reboot")
    found = Finding("server rebooted", scenario.name, "PostgreSQL 15")
    for moment in range(moments := count(REBOOTS)):
        back = chance.uniform(1, 7) if moment % 2 else None
        share = (moment + chance.random()) / moments
        ran, _ = measured.cut_off(REBOOT, round(share * measured.packets), chance.uniform(0, 0.3), back)
        found.add(f"exit {ran.exit_code}, {measured.judged_after_reboot(ran)}")
    save(found)
