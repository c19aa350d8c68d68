"""Validating one new migration: how long that takes, and how it grows with the history."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from operations.adapters.clock import SystemClock
from operations.adapters.folder import read_folder
from operations.adapters.trials import OwnServer
from operations.validate import Question, validate
from operations.validation.folders import folder_of
from tests.action.runner import Repository, Runner, pull_request
from tests.action.standin import TOKEN, StandIn, standing_in

from .applying import HISTORY
from .lint import CORPUS
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
LAST = 6
"""Migrations of each history, each as the pull request that it once was."""
REFUSED = ("does-not-apply", "trial-ended")
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
        for size in scope.choose((*SIZES, len(names)), SIZES[:2]):
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
    met = median <= GOAL if scope.judged else None
    section.goals.append(Goal(f"validate one migration on {size}", f"≤{GOAL:.0f} s", f"{median:.2f} s", met))
    return [section, _real(clusters, scope.choose(LAST, 1))]


def _real(clusters: Path, last: int) -> Section:
    columns = ("history", "pull requests", "landed before the last", "median", "longest", "said not to apply")
    section = Section("Pull requests of real histories", _REAL, columns)
    wrong = 0
    for history in sorted(CORPUS.glob("*/migrations")):
        whole = folder_of(read_folder(history))
        names = list(whole.migrations)
        seconds, refused = [], 0
        for number in range(1, len(names))[-last:]:
            base, head = (
                replace(whole, migrations={n: whole.migrations[n] for n in names[:k]}) for k in (number, number + 1)
            )
            began = time.perf_counter()
            answer = validate(Question(head, base, OwnServer(prepared=clusters), SystemClock()))
            seconds.append(time.perf_counter() - began)
            refused += any(finding.rule in REFUSED for finding in answer.findings)
        times = (f"{statistics.median(seconds):.2f} s", f"{max(seconds):.2f} s")
        section.rows.append((history.parent.name, str(len(seconds)), str(len(names) - 1), *times, str(refused)))
        wrong += refused
    section.goals.append(Goal("migrations that have landed and are said not to apply", "0", str(wrong), not wrong))
    return section


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
whole process of `locktender validate --base-migrations DIR` on one's own machine, where the data directory of what has
landed is kept from the time before."""
_REAL = f"""The last {LAST} migrations of each history, one after the other, each as a pull request that adds it to
what had landed then: `operations.validate` as the Action calls it, server and base anew each time. Whether each of the
last 50 applies, and can be undone as it is said, is what tests/campaign/test_validate_corpus.py looks at."""
