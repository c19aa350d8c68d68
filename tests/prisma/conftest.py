"""Fixtures of the comparisons with the real Prisma."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.secret import Secret

from ..conftest import Server, missing
from ..locktender_process import Project
from .command_line import Prisma, PrismaMissing, install
from .compare import Subject

ProjectOf = Callable[..., Project]


@pytest.fixture(scope="session")
def prisma() -> Prisma:
    """The real Prisma command line."""
    try:
        return install()
    except PrismaMissing as lack:
        missing(str(lack))
        raise


@pytest.fixture
def subject_of(server: Server, tmp_path: Path) -> Callable[[Path], Subject]:
    """A new database, or a copy of one, with a migrations folder, to be worked on by either tool."""
    made: list[Subject] = []

    def make(migrations: Path, schema: str | None = None, template: str = "template1") -> Subject:
        name = server.create(template=template)
        url = server.url(name)
        if schema:
            url = Secret(f"{url.reveal()}?schema={schema}")
        directory = tmp_path / f"project{len(made)}"
        subject = Subject.of(server, url, Project(directory, url, migrations))
        made.append(subject)
        return subject

    return make


@pytest.fixture
def owned(server: Server) -> PostgresDatabase:
    return server.owned()
