"""Backup and restore against ``pg_dump | gzip`` and ``gunzip | psql``, and how long nobody answers meanwhile."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from operations.adapters.postgres import PostgresDatabase

from . import data
from .measure import Sample, Timed, side_by_side, timed
from .prober import under_load
from .projects import locktender, project, result
from .report import Goal, Section
from .servers import ROOT, Server, available, running
from .settings import Scope

LIVE = "shop"
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
    backup = Section("Backup", _BACKUP, ("server", "database", "`pg_dump \\| gzip`", "L1", "L2", "sizes"))
    restore = Section("Restore", _RESTORE, ("server", "drop and `gunzip \\| psql`", "`restore --into`", "`restore`"))
    outage = Section("Outage of a restore, under load", _OUTAGE, ("server", "usual way", "swap", "ratio"))
    for label, binaries in available().items():
        with running(label, binaries) as server:
            _measure(server, scope, backup, restore, outage)
    return [backup, restore, outage]


def _measure(server: Server, scope: Scope, backup: Section, restore: Section, outage: Section) -> None:
    work = scope.work / server.label.split()[1]
    shutil.rmtree(work, ignore_errors=True)
    (work / "migrations").mkdir(parents=True)
    database = server.create(LIVE)
    size = data.fill(database, scope.megabytes)
    usual = Usual(server, work / "usual.sql.gz")
    ours = project(server, LIVE, work / "project", work / "migrations", keep_last="2")

    def ours_at(*level: str) -> Timed:
        shutil.rmtree(ours.backup_path, ignore_errors=True)
        return locktender(ours, "backup", "create", *level)

    made = side_by_side(
        scope.runs,
        {"usual": lambda: usual.backup(database), "L1": ours_at, "L2": lambda: ours_at("--test-restore")},
    )
    sizes = f"{usual.file.stat().st_size / 1e6:.0f} / {_bytes(ours.backup_path) / 1e6:.0f} MB"
    backup.rows.append(
        (server.label, f"{size / 1e9:.2f} GB", *(str(made[way]) for way in ("usual", "L1", "L2")), sizes)
    )
    backup.goals += _backup_goals(server, made, scope)

    copies = server.create("copy")
    again = side_by_side(
        scope.runs,
        {
            "usual": lambda: usual.restore(copies),
            "into": lambda: _into(server, ours),
            "whole": lambda: locktender(ours, "restore", "latest"),
        },
    )
    restore.rows.append((server.label, *(str(again[way]) for way in ("usual", "into", "whole"))))
    _outage(server, scope, usual, ours, outage)


def _into(server: Server, ours: object) -> Timed:
    with server.superuser().session() as session:
        session.execute('DROP DATABASE IF EXISTS "beside" WITH (FORCE)')
    return locktender(ours, "restore", "latest", "--into", "beside")  # type: ignore[arg-type]


def _outage(server: Server, scope: Scope, usual: Usual, ours: object, section: Section) -> None:
    with under_load(server.url(LIVE)) as swapped:
        told = result(locktender(ours, "restore", "latest"))  # type: ignore[arg-type]
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
    faster = made["usual"].median / made["L1"].median
    slower = made["L2"].median / made["usual"].median
    wanted = L1_GOAL["zstd" if "zstd" in server.label else "gzip"]
    return [
        Goal(
            f"backup at L1, {server.label}",
            f"≥{wanted:.0f}× faster than `pg_dump \\| gzip`",
            f"{faster:.1f}×",
            faster >= wanted if scope.judged else None,
        ),
        Goal(
            f"backup at L2 (restored and compared), {server.label}",
            f"≤{L2_GOAL}× the unverified `pg_dump \\| gzip`",
            f"{slower:.2f}×",
            slower <= L2_GOAL if scope.judged else None,
        ),
    ]


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and ".locktender" not in file.parts)


_BACKUP = """`locktender backup create` includes SHA-256 of every file, row counts, row hashes and fsync; L1 has read
the archive to its end, L2 has restored it into a throwaway database and compared schema and rows. The usual way is
`pg_dump | gzip` in a shell with `pipefail`: it verifies nothing and syncs nothing."""
_RESTORE = """The usual way drops the live database and reloads it, and says nothing of errors. `restore --into`
restores beside it and validates rows and schema against the manifest; `restore` also takes an emergency backup first,
and swaps."""
_OUTAGE = """The longest time between two right answers to a client that asks every 3 ms and reconnects at once, while
three others write. The usual way serves an absent, then an empty, then a partly filled database meanwhile."""
