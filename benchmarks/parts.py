"""What the CPU seconds of a backup are made of, and so how quick it can be on this machine at best."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from operations.adapters.local_host import LocalHost
from operations.commands import postgres_client as client

from .measure import Timed, timed
from .servers import ROOT, Server

COLUMNS = (
    "server", "`pg_dump \\| gzip`", "`COPY`", "`pg_dump`", "row hashes", "read to the end", "SHA-256", "rest",
    "L1 and row hashes",
)  # fmt: skip
WORDS = """Seconds of CPU, of the server (`COPY`, row hashes) and of the client's programs. `pg_dump` takes the
rows, compresses and writes them; the rest is Python's start, the catalog, counting, manifest and fsync. However
these are shared out, a backup takes at least their sum, divided by the cores. `pg_dump | gzip` is held up by gzip at
level 6, on one core.
"""


@dataclass(frozen=True)
class Work:
    """Seconds of CPU of the server and of the client while something was done."""

    server: float
    client: float


@dataclass(frozen=True)
class Parts:
    """Seconds of CPU."""

    usual: float
    copy: float
    dump: float
    hashes: float
    read: float
    digests: float
    rest: float

    @property
    def together(self) -> float:
        """Of a backup at L1."""
        return self.copy + self.dump + self.hashes + self.read + self.digests + self.rest

    def row(self, label: str) -> tuple[str, ...]:
        found = (self.usual, self.copy, self.dump, self.hashes, self.read, self.digests, self.rest, self.together)
        return (label, *(f"{seconds:.1f}" for seconds in found))

    def limits(self, label: str, usual_seconds: float, wanted: float) -> str:
        """What the goal asks for, against what the parts take, as one line of a list."""
        cores = os.cpu_count() or 1
        bare, counted = self.copy + self.dump, self.together - self.hashes
        best = [f"{usual_seconds * cores / cpu:.1f}×" for cpu in (bare, counted, self.together)]
        return (
            f"- {label}: {wanted:.0f}× leaves {usual_seconds / wanted * cores:.1f} s of CPU on {cores} cores. `COPY`"
            f" and `pg_dump` alone take {bare:.1f} s: {best[0]} at best, if no core were ever idle; {best[1]} at"
            f" L1, {best[2]} with row hashes."
        )


def working(server: Server, run: Timed, before: float) -> Work:
    """What a run took, with the server's CPU from ``before`` it."""
    return Work(server.cpu - before, run.cpu)


def measure(server: Server, database: str, archive: Path, usual: Work, whole: Work, counted: Work) -> Parts:
    """The parts of a backup that took ``whole``, and ``counted`` without hashes; ``archive`` is what it wrote."""
    dump = _dumped(server, database, archive.parent / "parts")
    files = sorted(archive.glob("[0-9]*.dat*"))
    gzipped = [file.name for file in files if file.suffix == ".gz"]
    host = LocalHost()
    if gzipped:
        read = _taken(lambda: host.read_gzip(str(archive), gzipped, os.cpu_count() or 1))
    else:
        read = timed(client.read_through(str(server.binaries / "pg_restore"), str(archive)), client.PLAIN, ROOT).cpu
    digests = _taken(lambda: host.sha256(str(archive), [file.name for file in files]))
    hashes = max(0.0, whole.server - counted.server)
    known = dump.server + dump.client + hashes + read + digests
    return Parts(
        usual.server + usual.client, dump.server, dump.client, hashes, read, digests,
        max(0.0, whole.server + whole.client - known),
    )  # fmt: skip


def _taken(action: Callable[[], object]) -> float:
    """Seconds of CPU that this process takes for it."""
    began = time.process_time()
    action()
    return time.process_time() - began


def _dumped(server: Server, name: str, directory: Path) -> Work:
    database = server.database(name)
    with database.session(purpose="benchmark") as session, session.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ"):
        argv = client.dump(
            str(server.binaries / "pg_dump"),
            database.target,
            str(directory),
            jobs=os.cpu_count() or 1,
            snapshot=session.rows("SELECT pg_export_snapshot()")[0][0],
            compression="zstd:1" if "zstd" in server.label else "1",
            lock_wait=30,
        )
        before = server.cpu
        run = timed(argv, {**database.client_environment(), **client.PLAIN}, ROOT)
    shutil.rmtree(directory)
    return working(server, run, before)
