"""Validating one new migration: how long that takes, and how it grows with the history."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from .applying import HISTORY
from .measure import side_by_side, timed
from .report import Goal, Section
from .servers import ROOT
from .settings import Scope

RUNS = 5
GOAL = 3.0
SIZES = (1, 100, 200, 300)
"""Migrations that have landed; and all but one."""


def sections(scope: Scope) -> list[Section]:
    section = Section(
        "Validating one new migration", _WORDS, ("landed", "base kept (`--cache`)", "one less kept", "nothing kept")
    )
    if not HISTORY.is_dir():
        section.words = f"Not measured: there is no {HISTORY} (LOCKTENDER_CORPUS)."
        return [section]
    names = sorted(path.name for path in HISTORY.iterdir() if path.is_dir())
    for size in (*SIZES, len(names) - 1):
        _measure(scope, names, size, section)
    return [section]


def _measure(scope: Scope, names: list[str], size: int, section: Section) -> None:
    before, base, head = (_folder(scope.work / f"{size}-{n}", names[:n]) for n in (size - 1, size, size + 1))
    kept, partly, cold = (scope.work / f"cache-{size}-{name}" for name in ("kept", "partly", "cold"))

    def validate(old: Path, new: Path, cache: Path) -> object:
        argv = [sys.executable, "-m", "cli", "--migrations", str(new), "validate", "--base-migrations", str(old)]
        return timed([*argv, "--fail-on", "never", "--json", "-q", "--cache", str(cache)], {}, ROOT)

    def one_less() -> object:
        shutil.rmtree(partly, ignore_errors=True)
        validate(before, base, partly)
        return validate(base, head, partly)  # timed alone

    def nothing() -> object:
        shutil.rmtree(cold, ignore_errors=True)
        return validate(base, head, cold)

    validate(base, head, kept)
    ways = {"kept": lambda: validate(base, head, kept), "partly": one_less, "cold": nothing}
    samples = side_by_side(RUNS, ways)  # type: ignore[arg-type]
    section.rows.append((str(size), str(samples["kept"]), str(samples["partly"]), str(samples["cold"])))
    if size == len(names) - 1:
        median = samples["kept"].median
        section.goals.append(
            Goal(f"validate one migration on {size}", f"≤{GOAL:.0f} s", f"{median:.2f} s", median <= GOAL)
        )


def _folder(target: Path, names: list[str]) -> Path:
    target.mkdir(parents=True)
    for name in names:
        shutil.copytree(HISTORY / name, target / name)
    return target


_WORDS = """Whole processes of `locktender validate --base-migrations`, start-up included, on the first migrations of a
history: throwaway server, base, locks of every statement, lint, proof of the way back with rows in the tables. With
`--cache` the data directory of the base is kept; on the pull request after a merge, one migration is missing there."""
