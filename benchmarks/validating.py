"""Validating one new migration: how long that takes, and how it grows with the history."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.action.runner import Repository, Runner, pull_request
from tests.action.standin import TOKEN, StandIn, standing_in

from .applying import HISTORY
from .measure import BenchmarkFailed, Timed, side_by_side, timed
from .report import Goal, Section
from .servers import ROOT
from .settings import Scope

GOAL = 3.0
SIZES = (1, 100, 200, 300)
"""Migrations that have landed; and all there are."""
FOLDER = "prisma/migrations"
NEW = f"{FOLDER}/20990101000000_note/migration.sql"
SQL = """ALTER TABLE "Account" ADD COLUMN "aNote" TEXT;
CREATE INDEX "Account_aNote_idx" ON "Account"("aNote");
"""
"""About a table of the history's first migration."""
PULL = 7
AS_IN_IMAGE = Path(__file__).with_name("as_in_image.py")


@dataclass(frozen=True)
class Proposed:
    """A pull request with one new migration, on a main branch with so many, and a checkout of it."""

    size: int
    base: str
    head: str
    merge: str
    workspace: Path


def sections(scope: Scope) -> list[Section]:
    section = Section("Validating one new migration", _WORDS, ("landed", "the Action", "base kept (`--cache`)"))
    if not HISTORY.is_dir():
        section.words = f"Not measured: there is no {HISTORY} (LOCKTENDER_CORPUS)."
        return [section]
    clusters = scope.work / "clusters"
    timed([sys.executable, "-m", "operations.adapters.prepared", str(clusters)], {}, ROOT)
    names = sorted(path.name for path in HISTORY.iterdir() if path.is_dir())
    repository = Repository.create(scope.work / "origin", {"README.md": "A shop\n"})
    with standing_in(repository.path) as github:
        for size in (*SIZES, len(names)):
            proposed = _proposed(repository, names[:size], scope.work)
            github.state.heads[PULL] = proposed.head
            ways = {"action": _action(proposed, github, clusters, scope.work), "kept": _kept(proposed, scope.work)}
            for way in ways.values():  # not measured: the base is not kept yet, nor is GitHub's description read
                way()
            samples = side_by_side(scope.runs, ways)
            section.rows.append((str(size), str(samples["action"]), str(samples["kept"])))
        if github.state.wrong:
            raise BenchmarkFailed(github.state.wrong[0])
    median = samples["action"].median
    section.goals.append(Goal(f"validate one migration on {size}", f"≤{GOAL:.0f} s", f"{median:.2f} s", median <= GOAL))
    return [section]


def _proposed(repository: Repository, names: Sequence[str], work: Path) -> Proposed:
    for name in names:
        there = repository.path / FOLDER / name
        if not there.exists():
            shutil.copytree(HISTORY / name, there)
    base = repository.commit({})
    head = repository.branch(f"change{len(names)}", {NEW: SQL})
    merge = repository.merged(head)
    workspace = repository.checkout(work / f"workspace{len(names)}", merge)
    return Proposed(len(names), base, head, merge, workspace)


def _action(proposed: Proposed, github: StandIn, clusters: Path, work: Path) -> Callable[[], Timed]:
    runner = Runner(work / f"runs{proposed.size}", github, proposed.workspace)

    def run() -> Timed:
        files = runner.directory / str(next(runner.serial))
        files.mkdir(parents=True)
        event = pull_request(PULL, proposed.base, proposed.head)
        inputs = {"github-token": TOKEN, "fail-on": "never"}
        environ = runner.environment(files, "pull_request", event, proposed.merge, inputs)
        argv = [sys.executable, "-P", "-E", "-s", str(AS_IN_IMAGE), str(clusters)]
        return timed(argv, environ, proposed.workspace)

    return run


def _kept(proposed: Proposed, work: Path) -> Callable[[], Timed]:
    folder = proposed.workspace / FOLDER
    landed = work / f"landed{proposed.size}"
    shutil.copytree(folder, landed)
    shutil.rmtree(landed / Path(NEW).parent.name)
    argv = [sys.executable, "-m", "cli", "--migrations", str(folder), "validate", "--base-migrations", str(landed)]
    argv += ["--fail-on", "never", "--json", "-q", "--cache", str(work / "cache")]
    return lambda: timed(argv, {}, ROOT)


_WORDS = """One migration with two statements, on the first migrations of a history. *The Action*: the whole process,
as its image starts it, from the event to the exit code: a checkout of one commit, what has landed read by GitHub's
API, a new cluster that was prepared beforehand, everything that has landed applied to it, locks of every statement,
lint, proof of the way back with rows in the tables, comment, check run and summary. GitHub is a stand-in on the
loopback, so that its own time is not counted; that of building or fetching the image is not, either. *Base kept*: the
whole process of `locktender validate --base-migrations` on one's own machine, where the data directory of what has
landed is kept from the time before."""
