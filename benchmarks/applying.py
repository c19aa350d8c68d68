"""Applying a long history, and asking for its status: against a bare loop over the files, and the real Prisma."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.prisma.command_line import Prisma, PrismaMissing, install

from .measure import BenchmarkFailed, Sample, side_by_side, timed
from .projects import locktender, project
from .report import Goal, Section
from .servers import ROOT, Server, available, running
from .settings import Scope

HISTORY = Path(os.environ.get("LOCKTENDER_CORPUS", ROOT.parent / "shared" / "corpus")) / "langfuse" / "migrations"
RUNS = 11
LOOP_GOAL, STATUS_GOAL = 1.5, 0.25
LOOP = """
import os, sys, psycopg
with psycopg.connect(os.environ["BENCHMARK_URL"], autocommit=True) as connection:
    for name in sorted(os.listdir(sys.argv[1])):
        path = os.path.join(sys.argv[1], name, "migration.sql")
        if os.path.exists(path):
            with open(path, "rb") as file:
                connection.execute(file.read())
"""


def sections(scope: Scope) -> list[Section]:
    apply = Section(
        "Applying 434 migrations to an empty database", _APPLY, ("server", "bare loop", "Locktender", "Prisma")
    )
    status = Section("Status of 434 migrations", _STATUS, ("server", "Locktender", "Prisma", "ratio"))
    prisma = _prisma()
    if not HISTORY.is_dir():
        apply.words = f"Not measured: there is no {HISTORY} (LOCKTENDER_CORPUS)."
        return [apply]
    label, binaries = next(iter(available().items()))
    with running(label, binaries) as server:
        _apply(server, scope, prisma, apply)
        _status(server, scope, prisma, status)
    return [apply, status]


def _prisma() -> Prisma | None:
    try:
        return install()
    except PrismaMissing as error:
        print(f"Prisma is left out: {error}", file=sys.stderr)
        return None


def _apply(server: Server, scope: Scope, prisma: Prisma | None, section: Section) -> None:
    made = project(server, "ours", scope.work / "apply", HISTORY)

    def ours() -> object:
        server.create("ours")
        shutil.rmtree(made.backup_path, ignore_errors=True)
        return locktender(made, "apply")

    def loop() -> object:
        server.create("loop")
        url = server.url("loop").reveal()
        return timed([sys.executable, "-c", LOOP, str(HISTORY)], {"BENCHMARK_URL": url}, ROOT)

    ways = {"loop": loop, "ours": ours}
    if prisma:

        def theirs() -> object:
            database = server.create("theirs")
            return timed(prisma.argv("deploy"), prisma.variables(database, HISTORY), prisma.directory)

        ways["theirs"] = theirs
    samples: dict[str, Sample] = side_by_side(scope.choose(RUNS, 1), ways)  # type: ignore[arg-type]
    if _tables(server, "loop") + 1 != _tables(server, "ours"):
        raise BenchmarkFailed("The bare loop and Locktender left different numbers of tables.")
    ratio = samples["ours"].median / samples["loop"].median
    section.rows.append(
        (server.label, str(samples["loop"]), f"{samples['ours']}, {ratio:.2f}×", _other(samples, samples["loop"]))
    )
    section.goals.append(Goal("apply of 434 files", f"≤{LOOP_GOAL}× a bare loop", f"{ratio:.2f}×", ratio <= LOOP_GOAL))


def _status(server: Server, scope: Scope, prisma: Prisma | None, section: Section) -> None:
    made = project(server, "ours", scope.work / "apply", HISTORY)
    ways = {"ours": lambda: locktender(made, "status")}
    if prisma:
        database = server.database("ours")
        ways["theirs"] = lambda: timed(prisma.argv("status"), prisma.variables(database, HISTORY), prisma.directory)
    samples = side_by_side(scope.choose(RUNS, 1), ways)
    ratio = samples["ours"].median / samples["theirs"].median if "theirs" in samples else None
    section.rows.append(
        (server.label, str(samples["ours"]), str(samples.get("theirs", "not here")), f"{ratio:.2f}×" if ratio else "")
    )
    if ratio:
        section.goals.append(
            Goal("status", f"≤{STATUS_GOAL}× `prisma migrate status`", f"{ratio:.2f}×", ratio <= STATUS_GOAL)
        )


def _other(samples: dict[str, Sample], loop: Sample) -> str:
    return f"{samples['theirs']}, {samples['theirs'].median / loop.median:.2f}×" if "theirs" in samples else "not here"


def _tables(server: Server, name: str) -> int:
    with server.database(name).session() as session:
        return int(session.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")[0][0])


_APPLY = """Whole processes, start-up included. The bare loop is eight lines of Python with psycopg that send
each file as one message and record nothing. Prisma is 6.19.3, its schema engine compiled to WebAssembly over the `pg`
driver (the native engine cannot be had here), without the ten seconds for which Node would go on waiting for a timer of
its lock. An empty database needs no restore point, so none is taken; and as nobody waits there, Locktender makes the
indexes of the 98 files with `CONCURRENTLY` without it, in the transaction of the files around them."""
_STATUS = "Whole processes over the same database with the same folder, everything applied."
