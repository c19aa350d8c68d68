"""What a tool leaves in a database, in a form that can be compared."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import embedded_binaries
from operations.database_url import parse_database_url
from operations.secret import Secret

from ..conftest import DEBIAN_BINARIES, Server
from ..locktender_process import Project

HISTORY = """
    SELECT migration_name, checksum, applied_steps_count, logs, rolled_back_at IS NOT NULL, finished_at IS NOT NULL,
           finished_at >= started_at, id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
    FROM _prisma_migrations ORDER BY started_at"""


@dataclass(frozen=True)
class Subject:
    """One database, and the folder that is applied to it."""

    server: Server
    database: PostgresDatabase
    project: Project

    @classmethod
    def of(cls, server: Server, url: Secret, project: Project) -> Subject:
        return cls(server, PostgresDatabase(parse_database_url(url)), project)

    @property
    def migrations(self) -> Path:
        return self.project.migrations

    def over(self, migrations: Path) -> Subject:
        """The same database with another folder."""
        return replace(self, project=replace(self.project, migrations=migrations))

    def with_settings(self, **settings: str) -> Subject:
        """The same with settings of the environment, values as TOML writes them."""
        return replace(self, project=replace(self.project, settings=settings))

    def history(self) -> list[tuple[Any, ...]]:
        """Rows of the history table in the order that Prisma reads them."""
        with self.database.session() as session:
            return session.rows(HISTORY)

    def distinct_starts(self) -> int:
        with self.database.session() as session:
            return int(session.rows("SELECT count(DISTINCT started_at) FROM _prisma_migrations")[0][0])

    def schema(self) -> str:
        """``pg_dump -s`` without the random line that newer clients put there."""
        binaries = DEBIAN_BINARIES if self.server.major == 15 else embedded_binaries()
        completed = subprocess.run(
            [str(binaries / "pg_dump"), "-s"],
            env=dict(self.database.client_environment()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return "\n".join(
            line for line in completed.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
        )

    def execute(self, script: str) -> None:
        with self.database.session() as session:
            session.script(script)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.session() as session:
            return session.rows(query)


def half(migrations: Path, target: Path) -> Path:
    """A copy of the first half of a folder."""
    names = sorted(path.name for path in migrations.iterdir() if path.is_dir())
    return subset(migrations, target, names[: len(names) // 2])


def subset(migrations: Path, target: Path, names: list[str]) -> Path:
    """A folder with copies of some of another's migrations (Prisma passes over links)."""
    for name in names:
        shutil.copytree(migrations / name, target / name)
    return target


def write(folder: Path, **scripts: str) -> Path:
    """A migrations folder with the given scripts."""
    for name, script in scripts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "migration.sql").write_text(script)
    return folder
