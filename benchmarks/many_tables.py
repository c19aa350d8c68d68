"""The health check of a database with thousands of tables: how long it takes, and what memory, against one of fifty."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.campaign.test_many_tables import CHANGE, STEP, write_migrations
from tests.locktender_process import Project

from .measure import BenchmarkFailed, Sample, Timed, side_by_side
from .projects import locktender, project, result
from .report import Goal, Section
from .servers import Server, available, running
from .settings import Scope

FEW, MANY = 50, 5000
GOAL, FLAT = 10.0, 1.25
UNCHANGED, CHANGED, WIDELY = "nothing", "one index", "columns of two tables in five"


def sections(scope: Scope) -> list[Section]:
    """The whole part; of a small scope with a tenth of the tables."""
    many = MANY if scope.judged else MANY // 10
    section = Section("Checking thousands of tables", _WORDS, ("changed since the deploy", "verb", *_sizes(many)))
    label, binaries = next(iter(available().items()))
    with running(label, binaries) as server:
        projects = {number: _made(server, scope.work, number) for number in (FEW, many)}
        _row(section, scope, projects, UNCHANGED, "status")
        checks = {}
        for changed in (UNCHANGED, CHANGED, WIDELY):
            for number in projects:
                _change(server, number, changed)
            checks[changed] = _row(section, scope, projects, changed, "check")
    section.goals += _goals(scope, many, checks)
    return [section]


def _sizes(many: int) -> tuple[str, ...]:
    return (f"{FEW} tables", f"{many} tables", "ratio", f"memory, {FEW}", f"{many}", "ratio")


def _made(server: Server, work: Path, number: int) -> Project:
    """A database of so many tables, each with a sequence, two indexes and a foreign key, as a deploy leaves it."""
    directory = work / f"tables{number}"
    shutil.rmtree(directory, ignore_errors=True)
    write_migrations(directory / "migrations", number)
    server.create(f"tables{number}")
    made = project(server, f"tables{number}", directory, directory / "migrations")
    made = replace(made, settings={**made.settings, "transactions": '"file"'})  # all at once are too many locks
    locktender(made, "apply")
    with server.database(f"tables{number}").session() as session:
        session.script("ANALYZE")
    return made


def _change(server: Server, number: int, changed: str) -> None:
    with server.database(f"tables{number}").session() as session:
        if changed == CHANGED:
            session.execute("CREATE INDEX by_hand ON hub (id)")
        if changed == WIDELY:
            for start in range(0, 2 * number // 5, STEP):
                session.script("".join(CHANGE.format(n) for n in range(start, min(start + STEP, 2 * number // 5))))


def _row(
    section: Section, scope: Scope, projects: Mapping[int, Project], changed: str, verb: str
) -> tuple[Sample, Sample]:
    """Few and many tables, measured in turn."""
    ways = {str(number): _way(made, verb, changed) for number, made in projects.items()}
    few, many = side_by_side(scope.runs, ways).values()
    section.rows.append(
        (
            changed, f"`{verb}`", str(few), str(many), f"{many.median / few.median:.1f}×",
            f"{few.rss / 1e6:.0f} MB", f"{many.rss / 1e6:.0f} MB", f"{many.rss / few.rss:.2f}×",
        )
    )  # fmt: skip
    return few, many


def _way(made: Project, verb: str, changed: str) -> Callable[[], Timed]:
    def run() -> Timed:
        ran = locktender(made, verb, codes=(0, 1))
        if verb == "check":
            _expect_all_looked_at(ran, changed)
        return ran

    return run


def _expect_all_looked_at(ran: Timed, changed: str) -> None:
    found = {one["name"]: one for one in result(ran)["checks"]}
    if found["drift"]["status"] != ("ok" if changed == UNCHANGED else "warn"):
        raise BenchmarkFailed(f"drift: {found['drift']}")
    blind = [one for one in found.values() if one["why"] == "It could not be looked at."]
    if blind:
        raise BenchmarkFailed(str(blind))


def _goals(scope: Scope, many: int, checks: Mapping[str, tuple[Sample, Sample]]) -> list[Goal]:
    slowest = max(large.median for _, large in checks.values())
    found = [
        Goal(
            f"check of {many} tables, whatever has changed", f"≤{GOAL:.0f} s", f"{slowest:.1f} s",
            slowest <= GOAL if scope.judged else None,
        )
    ]  # fmt: skip
    for what, changed in (("nothing", (UNCHANGED,)), ("something", (CHANGED, WIDELY))):
        growth = max(checks[one][1].rss / checks[one][0].rss for one in changed)
        found.append(
            Goal(
                f"its memory against {FEW} tables, {what} changed by hand", f"flat (≤{FLAT}×)", f"{growth:.2f}×",
                growth <= FLAT if scope.judged else None,
            )
        )  # fmt: skip
    return found


_WORDS = """Whole processes. Each table has six columns, a sequence, a check constraint, three indexes and a foreign
key, and came by a migration. `check` makes all of its looks; where the schema was changed by hand since the deploy, it
reads all of the catalog, compares it with the recorded one, and restates what differs as SQL. Memory is the largest
resident size."""
