"""GitHub on the loopback, a repository with migrations, and a runner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Server, missing
from .openapi import DescriptionMissing, description
from .runner import Ran, Repository, Runner, pull_request
from .standin import StandIn, standing_in

LOCK = 'provider = "postgresql"\n'
FIRST = 'CREATE TABLE "orders" (\n    "id" SERIAL PRIMARY KEY,\n    "note" TEXT\n);\n'
FOLDER = "prisma/migrations"
FILES = {
    f"{FOLDER}/migration_lock.toml": LOCK,
    f"{FOLDER}/20240101000000_init/migration.sql": FIRST,
    "locktender.toml": (
        '[environments.production]\ndatabase_url = "env:DATABASE_URL"\nmigrations = "prisma/migrations"\n'
        'backup_dir = "/srv/backups"\n'
    ),
}
NEXT = f"{FOLDER}/20240201000000_paid/migration.sql"
PULL = 7


@pytest.fixture(scope="session", autouse=True)
def described() -> None:
    """GitHub's own description of its API."""
    try:
        description()
    except DescriptionMissing as lack:
        missing(str(lack))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "origin", FILES)


@pytest.fixture
def github(repository: Repository) -> Iterator[StandIn]:
    with standing_in(repository.path) as stand_in:
        yield stand_in
        assert stand_in.state.wrong == []


@dataclass
class Project:
    """A repository on GitHub, and runs of the Action for it."""

    repository: Repository
    github: StandIn
    directory: Path
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def checked_out(self, sha: str, depth: int = 1) -> Runner:
        workspace = self.directory / f"workspace{sha[:8]}{depth}"
        if not workspace.exists():
            self.repository.checkout(workspace, sha, depth)
        return Runner(self.directory / "runs", self.github, workspace, self.serial)

    def proposed(self, files: dict[str, str | None], branch: str = "change") -> Proposal:
        base = self.repository.git("rev-parse", "main")
        head = self.repository.branch(branch, files)
        self.github.state.heads[PULL] = head
        return Proposal(self, base, head, self.repository.merged(head))


@dataclass
class Proposal:
    """A pull request."""

    project: Project
    base: str
    head: str
    merge: str

    def run(self, inputs: dict[str, str] | None = None, *, depth: int = 1, **settings: Any) -> Ran:
        runner = self.project.checked_out(self.merge, depth)
        payload = pull_request(PULL, self.base, self.head, fork=settings.pop("fork", False))
        return runner.run(settings.pop("event", "pull_request"), payload, self.merge, inputs, **settings)


@pytest.fixture
def project(repository: Repository, github: StandIn, tmp_path: Path) -> Project:
    return Project(repository, github, tmp_path)


@pytest.fixture
def shadow(server18: Server) -> str:
    """A server to try migrations on that runs already: quicker than one for each run."""
    return server18.process.url().reveal()
