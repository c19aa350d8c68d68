"""Backup and restore against ``pg_dump | gzip`` and ``gunzip | psql``, and how long nobody answers meanwhile."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from operations.adapters.postgres import PostgresDatabase
from tests.locktender_process import Project

from . import data, parts
from .measure import Sample, Timed, side_by_side, timed
from .parts import Work
from .prober import under_load
from .projects import locktender, project, result
from .report import Goal, Section
from .servers import ROOT, Server, available, running
from .settings import Scope

LIVE, LOPSIDED = "shop", "lopsided"
L1_GOAL = {"zstd": 6.0, "gzip": 3.0}
L2_GOAL = 1.2
OUTAGE_GOAL, OUTAGE_RATIO = 0.3, 50.0


@dataclass(frozen=True)
class Usual:
    """The usual way: a pipe through gzip, in a shell that at least tells of a failure."""

    server: Server
    file: Path

    def backup(self, database: PostgresDatabase) -> Timed:
        return self._shell(database, f"{self._tool('pg_dump')} | gzip > {shlex.quote(str(self.file))}")

    def restore(self, database: PostgresDatabase) -> Timed:
        """Drop, create, reload, as the running books of small teams have it."""
        name = database.target.database
        psql = f"{self._tool('psql')} -X -q -o /dev/null"
        return self._shell(
            database,
            f"{psql} -d postgres -c 'DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)' -c 'CREATE DATABASE \"{name}\"'"
            f" && gunzip -c {shlex.quote(str(self.file))} | {psql} 2>/dev/null",
        )

    def _tool(self, name: str) -> str:
        return shlex.quote(str(self.server.binaries / name))

    def _shell(self, database: PostgresDatabase, command: str) -> Timed:
        return timed(["bash", "-c", f"set -o pipefail; {command}"], database.client_environment(), ROOT)


def sections(scope: Scope) -> list[Section]:
    random = data.SPREAD.random_bytes(scope.megabytes) / 1e6
    backup = Section("Backup", _BACKUP.format(random=random), _BACKUP_COLUMNS)
    lopsided = Section("Backup where one table is three quarters of it all", _LOPSIDED, _LOPSIDED_COLUMNS)
    cpu = Section("What a backup's seconds are made of", parts.WORDS, parts.COLUMNS)
    restore = Section("Restore", _RESTORE, ("server", "drop and `gunzip \\| psql`", "`restore --into`", "`restore`"))
    outage = Section("Outage of a restore, under load", _OUTAGE, ("server", "usual way", "swap", "ratio"))
    servers = list(available().items())
    for label, binaries in scope.choose(servers, servers[-1:]):
        with running(label, binaries) as server:
            _measure(server, scope, backup, cpu, restore, outage)
            lopsided.rows.append(_with_one_table(server, scope))
    return [backup, cpu, lopsided, restore, outage]


def _measure(server: Server, scope: Scope, backup: Section, cpu: Section, restore: Section, outage: Section) -> None:
    work = scope.work / server.label.split()[1]
    shutil.rmtree(work, ignore_errors=True)
    (work / "migrations").mkdir(parents=True)
    size = data.fill(server.create(LIVE), scope.megabytes)
    usual = Usual(server, work / "usual.sql.gz")
    ours = project(server, LIVE, work / "project", work / "migrations", keep_last="2")
    counting = project(server, LIVE, work / "counting", work / "migrations", hash_limit='"1kB"')
    made, taken = _backed_up(server, scope, usual, ours, counting)
    sizes = f"{usual.file.stat().st_size / 1e6:.0f} / {_bytes(ours.backup_path) / 1e6:.0f} MB"
    ways = (str(made["usual"]), *(_beside(made["usual"], made[way]) for way in ("L1", "hashed", "L2")))
    backup.rows.append((server.label, f"{size / 1e9:.2f} GB", *ways, sizes))
    backup.goals += _backup_goals(server, made, scope)
    (archive,) = ours.backup_path.glob("*/archive")
    found = parts.measure(server, LIVE, archive, taken["usual"], taken["hashed"], taken["L1"])
    cpu.rows.append(found.row(server.label))
    cpu.words += "\n" + found.limits(server.label, made["usual"].median, _wanted(server))
    restore.rows.append((server.label, *_restored(server, scope, usual, ours)))
    _outage(server, scope, usual, ours, outage)


def _with_one_table(server: Server, scope: Scope) -> tuple[str, ...]:
    work = scope.work / f"lopsided{server.label.split()[1]}"
    (work / "migrations").mkdir(parents=True)
    data.fill(server.create(LOPSIDED), scope.megabytes, data.ONE_TABLE)
    usual = Usual(server, work / "usual.sql.gz")
    counting = project(server, LOPSIDED, work / "counting", work / "migrations", hash_limit='"1kB"')
    made = side_by_side(
        scope.runs, {"usual": lambda: usual.backup(server.database(LOPSIDED)), "L1": lambda: _anew(counting)}
    )
    shutil.rmtree(work)
    return (server.label, str(made["usual"]), _beside(made["usual"], made["L1"]))


def _backed_up(
    server: Server, scope: Scope, usual: Usual, ours: Project, counting: Project
) -> tuple[dict[str, Sample], dict[str, Work]]:
    """How long each way took, and what CPU in its last run."""
    taken: dict[str, Work] = {}

    def watched(way: str, run: Callable[[], Timed]) -> Timed:
        before = server.cpu
        made = run()
        taken[way] = parts.working(server, made, before)
        return made

    ways: dict[str, Callable[[], Timed]] = {
        "usual": lambda: usual.backup(server.database(LIVE)),
        "L1": lambda: _anew(counting),
        "hashed": lambda: _anew(ours),
        "L2": lambda: _anew(ours, "--test-restore"),
    }
    return side_by_side(scope.runs, {way: partial(watched, way, run) for way, run in ways.items()}), taken


def _restored(server: Server, scope: Scope, usual: Usual, ours: Project) -> Iterator[str]:
    copies = server.create("copy")
    again = side_by_side(
        scope.runs,
        {
            "usual": lambda: usual.restore(copies),
            "into": lambda: _into(server, ours),
            "whole": lambda: locktender(ours, "restore", "latest"),
        },
    )
    yield from (str(again[way]) for way in ("usual", "into", "whole"))


def _anew(ours: Project, *level: str) -> Timed:
    """A backup where there is none whose files it could share."""
    shutil.rmtree(ours.backup_path, ignore_errors=True)
    return locktender(ours, "backup", "create", *level)


def _into(server: Server, ours: Project) -> Timed:
    with server.superuser().session() as session:
        session.execute('DROP DATABASE IF EXISTS "beside" WITH (FORCE)')
    return locktender(ours, "restore", "latest", "--into", "beside")


def _outage(server: Server, scope: Scope, usual: Usual, ours: Project, section: Section) -> None:
    with under_load(server.url(LIVE)) as swapped:
        told = result(locktender(ours, "restore", "latest"))
    with under_load(server.url(LIVE)) as reloaded:
        usual.restore(server.database(LIVE))
    ratio = reloaded.outage / swapped.outage
    section.rows.append(
        (
            server.label,
            f"{reloaded.outage:.2f} s ({reloaded.failed} refusals, {reloaded.wrong} wrong answers)",
            f"{swapped.outage:.2f} s ({swapped.failed} refusals, {swapped.wrong} wrong answers;"
            f" it says {told['outage_seconds']:.2f} s itself)",
            f"{ratio:.0f}×",
        )
    )
    section.goals.append(
        Goal(
            f"outage of a restore, {server.label}",
            f"≤{OUTAGE_GOAL} s and ≥{OUTAGE_RATIO:.0f}× less",
            f"{swapped.outage:.2f} s, {ratio:.0f}× less",
            (swapped.outage <= OUTAGE_GOAL and ratio >= OUTAGE_RATIO) if scope.judged else None,
        )
    )


def _backup_goals(server: Server, made: dict[str, Sample], scope: Scope) -> list[Goal]:
    slower = made["L2"].median / made["usual"].median
    return [
        _faster(f"backup at L1, {server.label}", server, made["usual"], made["L1"], scope),
        Goal(
            f"backup at L2 (restored and compared), {server.label}",
            f"≤{L2_GOAL}× the unverified `pg_dump \\| gzip`",
            f"{slower:.2f}×",
            slower <= L2_GOAL if scope.judged else None,
        ),
    ]


def _beside(usual: Sample, ours: Sample) -> str:
    return f"{ours}, {usual.median / ours.median:.1f}×"


def _faster(what: str, server: Server, usual: Sample, ours: Sample, scope: Scope) -> Goal:
    wanted, faster = _wanted(server), usual.median / ours.median
    met = faster >= wanted if scope.judged else None
    return Goal(what, f"≥{wanted:.0f}× faster than `pg_dump \\| gzip`", f"{faster:.1f}×", met)


def _wanted(server: Server) -> float:
    return L1_GOAL["zstd" if "zstd" in server.label else "gzip"]


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and ".locktender" not in file.parts)


_BACKUP_COLUMNS = ("server", "database", "`pg_dump \\| gzip`", "L1", "L1 and row hashes", "L2", "sizes")
_BACKUP = """`locktender backup create` includes SHA-256 of every file, row counts and fsync; L1 has read the archive
to its end. A hash of every row is taken as well, but of databases above `hash_limit`; the goal is that of L1 alone. L2
has restored it into a throwaway database, and compared schema, row counts and row hashes. The usual way is
`pg_dump | gzip` in a shell with `pipefail`: it verifies nothing and syncs nothing.
Both gzip and zstd have level 1 in ours, and `gzip` by itself 6. Two tables have two thirds of the database: messages,
in the English of a manual, each word chosen by the two before it, and events in JSON. {random:.0f} MB of
either size are ids and traces by chance, which nothing compresses."""
_LOPSIDED_COLUMNS = ("server", "`pg_dump \\| gzip`", "L1")
_LOPSIDED = """A table is dumped by one process: where one has three quarters of all bytes, its `COPY` alone, on one
core, takes most of the time, however many cores there are."""
_RESTORE = """The usual way drops the live database and reloads it, and says nothing of errors. `restore --into`
restores beside it and validates rows and schema against the manifest; `restore` also takes an emergency backup first,
and swaps."""
_OUTAGE = """The longest time between two right answers to a client that asks every 3 ms and reconnects at once, while
three others write. The usual way serves an absent, then an empty, then a partly filled database meanwhile."""
