"""What it costs that the server is another machine: the same runs through Fabric over SSH, on the loopback."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.ssh_host import SshHost
from operations.database_url import parse_database_url
from tests import sshd
from tests.locktender_process import Project

from .applying import HISTORY
from .measure import NotMeasured, Timed, side_by_side, timed
from .projects import locktender, project
from .report import Goal, Section
from .servers import ROOT, Server, available, running
from .settings import Scope

OWN = ROOT / "examples" / "shop" / "prisma" / "migrations"
GOAL = 1.3
RUNS = {"apply": 1, "status": 4}
"""Times the runs that were asked for."""
AGAIN = 50
"""How often something small is done, to take the median."""
WITHOUT_SSH = "import operations.adapters.local_host, operations.adapters.postgres"
Hosts = tuple[LocalHost, SshHost]


def sections(scope: Scope) -> list[Section]:
    if not sshd.BINARY.exists():
        raise NotMeasured(f"There is no {sshd.BINARY}.")
    history = HISTORY if HISTORY.is_dir() else OWN
    (scope.work / "sshd").mkdir()
    label, binaries = next(iter(available().items()))
    with running(label, binaries) as server, sshd.running(scope.work / "sshd") as login:
        projects = _projects(server, scope.work / "over_ssh", history, login)
        return [_compared(server, scope.runs, history, projects, login), _parts(server, scope.work, login)]


def _projects(server: Server, work: Path, history: Path, login: sshd.Sshd) -> dict[str, Project]:
    """One on this machine, and one whose database and backups are on the other; the migrations are here."""
    here, there = (project(server, name, work / name, history) for name in ("here", "there"))
    return {"here": here, "there": replace(there, server=login.toml())}


def _compared(server: Server, runs: int, history: Path, projects: dict[str, Project], login: sshd.Sshd) -> Section:
    count = sum(1 for _ in history.glob("*/migration.sql"))
    section = Section("Over SSH", _WORDS, ("run", "on this machine", "over SSH", "ratio", "sessions"))

    def anew(verb: str, name: str) -> Timed:
        if verb == "apply":
            server.create(name)
            shutil.rmtree(projects[name].backup_path, ignore_errors=True)
        return locktender(projects[name], verb)

    for verb, times in RUNS.items():
        before = _sessions(login)
        made = side_by_side(runs * times, {name: partial(anew, verb, name) for name in projects})
        ratio = made["there"].median / made["here"].median
        sessions = (_sessions(login) - before) / (runs * times)
        section.rows.append(
            (
                f"`{verb}`, {count} migrations",
                *(str(made[name]) for name in projects),
                f"{ratio:.2f}×",
                f"{sessions:.0f}",
            )
        )
        section.goals.append(Goal(f"`{verb}` over SSH", f"≤{GOAL}× on this machine", f"{ratio:.2f}×", ratio <= GOAL))
    return section


def _sessions(login: sshd.Sshd) -> int:
    """Commands and subsystems that sshd has started."""
    return login.log.count("Starting session: ")


def _parts(server: Server, work: Path, login: sshd.Sshd) -> Section:
    section = Section("What SSH costs", _PARTS, ("part", "on this machine", "over SSH"))
    imports = side_by_side(5, {"here": lambda: _python(WITHOUT_SSH), "there": lambda: _python(_WITH_SSH)})
    section.rows.append(("Python and its modules", *(str(imports[way]) for way in ("here", "there"))))
    hosts = (LocalHost(), SshHost(login.server()))
    with closing(hosts[1]):
        began = time.perf_counter()
        hosts[1].exists("/")
        section.rows.append(("log in, begin SFTP", "–", _milliseconds(time.perf_counter() - began)))
        file = str(work / "small")
        each: dict[str, Callable[[LocalHost | SshHost], object]] = {
            "run a command": lambda host: host.run(["true"], timeout=20),
            "write a file and sync it": lambda host: host.write(file, b"x" * 1000),
            "look whether a file is there": lambda host: host.exists(file),
        }
        for what, action in each.items():
            section.rows.append((what, *(_median(partial(action, host)) for host in hosts)))
        section.rows.append(("connect to the database", *_asked(server, hosts, connected=False)))
        section.rows.append(("ask it a question", *_asked(server, hosts, connected=True)))
    return section


def _python(program: str) -> Timed:
    return timed([sys.executable, "-c", program], {"PYTHONDONTWRITEBYTECODE": ""}, ROOT)


def _asked(server: Server, hosts: Hosts, *, connected: bool) -> tuple[str, ...]:
    parameters, found = parse_database_url(server.url("here")), []
    for host in hosts:
        database = PostgresDatabase(parameters, partial(host.reach, "127.0.0.1", server.process.port))
        if connected:
            with database.session() as session:
                found.append(_median(partial(session.rows, "SELECT 1")))
        else:
            found.append(_median(partial(_opened, database)))
    return tuple(found)


def _opened(database: PostgresDatabase) -> None:
    with database.session():
        return


def _median(action: Callable[[], object]) -> str:
    took = []
    for _ in range(AGAIN):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    return _milliseconds(statistics.median(took))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


_WITH_SSH = f"{WITHOUT_SSH}, operations.adapters.ssh_host"
_WORDS = """Whole processes, the same database server and folder, here and through Fabric over SSH to an sshd on the
loopback; the migrations are read here either way. `sessions` are the commands and subsystems that sshd was asked
for in one run. What comes on top is much the same for every run: importing Fabric (the login happens beside other
preparations), then a few round trips for lock, journal and backup directory; each question to the database goes
through the tunnel, which costs little. A real network adds its own time to every round trip."""
_PARTS = """The parts that the difference is made of, one by one: medians of 50, but for the modules (five
processes) and the login (once a run)."""
