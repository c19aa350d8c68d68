"""The real Prisma command line, installed from the npm registry into the project's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from operations.adapters.postgres import PostgresDatabase

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "prisma"
FILES = ("package.json", "package-lock.json", ".npmrc", "prisma.config.mjs", "schema.prisma", "engine-probe.sh")
INSTALL_TIMEOUT = 600
RUN_TIMEOUT = 120


class PrismaMissing(Exception):
    """There is no Node or npm here, or the registry does not answer."""


@dataclass(frozen=True)
class PrismaRan:
    """How a Prisma command ended; ``output`` is both of its streams."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class Prisma:
    """``prisma migrate …`` against a database, with a migrations folder."""

    directory: Path

    def deploy(self, database: PostgresDatabase, migrations: Path) -> PrismaRan:
        return self.migrate(database, migrations, "deploy")

    def status(self, database: PostgresDatabase, migrations: Path) -> PrismaRan:
        return self.migrate(database, migrations, "status")

    def resolve(self, database: PostgresDatabase, migrations: Path, name: str, how: str) -> PrismaRan:
        """``how`` is ``applied`` or ``rolled-back``."""
        return self.migrate(database, migrations, "resolve", f"--{how}", name)

    def migrate(self, database: PostgresDatabase, migrations: Path, *arguments: str) -> PrismaRan:
        completed = subprocess.run(
            self.argv(*arguments),
            cwd=self.directory,
            env=self.variables(database, migrations),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT,
            check=False,
        )
        return PrismaRan(completed.returncode, completed.stdout)

    def argv(self, *arguments: str) -> list[str]:
        entry = self.directory / "node_modules" / "prisma" / "build" / "index.js"
        return ["node", str(entry), "migrate", *arguments, "--config", str(self.directory / "prisma.config.mjs")]

    def variables(self, database: PostgresDatabase, migrations: Path) -> dict[str, str]:
        return {
            **os.environ,
            **database.client_environment(),
            "LOCKTENDER_PRISMA_MIGRATIONS": str(migrations),
            "LOCKTENDER_PRISMA_DATAMODEL": str(self.directory / "schema.prisma"),
            "LOCKTENDER_PRISMA_SCHEMA": database.target.schema or "public",
            # Any existing file keeps the command line from downloading the engine that it will not use.
            "PRISMA_QUERY_ENGINE_LIBRARY": str(self.directory / "schema.prisma"),
            "PRISMA_SCHEMA_ENGINE_BINARY": str(self.directory / "engine-probe.sh"),
            "PRISMA_HIDE_UPDATE_MESSAGE": "1",
            "CHECKPOINT_DISABLE": "1",
            "NO_COLOR": "1",
        }


def install() -> Prisma:
    """Prisma from the cache, installed there if its lock file is new. Raises ``PrismaMissing``."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise PrismaMissing(f"{program}, for the real Prisma,")
    digest = hashlib.sha256(b"\0".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    target = CACHE / digest
    if not target.exists():
        _install(target)
    return Prisma(target)


def _install(target: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=CACHE, prefix="building-"))
    try:
        for name in FILES:
            shutil.copy(HERE / name, building / name)
        completed = subprocess.run(
            ["npm", "ci", "--ignore-scripts"],
            cwd=building,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
        if completed.returncode:
            raise PrismaMissing(f"The npm registry (npm ci said: {completed.stdout[-2000:]})")
        if not target.exists():
            building.rename(target)
    except OSError:
        if not target.exists():  # another worker may have been quicker
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
