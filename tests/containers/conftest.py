"""A real Docker, the image that is built from this checkout, and a PostgreSQL in a container."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import missing
from .docker import LAB, POSTGRES_IMAGE, ROOT, Docker, lab_variables, until
from .project import ShopProject

IMAGE = "locktender:test"


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """The lab in LOCKTENDER_LAB, which is left running; without it, one of our own."""
    given = os.environ.get("LOCKTENDER_LAB")
    directory = given or f"/var/tmp/locktender-lab-{uuid.uuid4().hex[:8]}"
    begun = subprocess.run([str(LAB), "up", directory], capture_output=True, text=True, timeout=900, check=False)
    try:
        if begun.returncode:
            missing(f"Docker ({begun.stderr.strip() or 'lab.sh up failed'})")
        yield Docker(lab_variables(directory))
    finally:
        if not given:
            subprocess.run([str(LAB), "down", directory], capture_output=True, timeout=120, check=True)


@pytest.fixture(scope="session")
def image(docker: Docker) -> str:
    """The image of this checkout, as ``make image`` builds it."""
    docker("build", "-q", "-t", IMAGE, str(ROOT), timeout=900)
    return IMAGE


@dataclass(frozen=True)
class PostgresContainer:
    """A running PostgreSQL 15; ``network`` is where it can be reached."""

    docker: Docker
    name: str
    network: str

    def sql(self, statement: str, database: str = "shop") -> str:
        command = ("psql", "-U", "shop", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atqc", statement)
        return self.docker("exec", self.name, *command).stdout.strip()

    def new_database(self) -> str:
        """The URL of a new empty database, as seen on the network."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://shop:word@{self.name}:5432/{name}"


@pytest.fixture(scope="session")
def postgres(docker: Docker) -> Iterator[PostgresContainer]:
    name = f"postgres-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    words = [f"POSTGRES_{key}={value}" for key, value in (("USER", "shop"), ("DB", "shop"), ("PASSWORD", "word"))]
    docker("run", "-d", "--name", name, "--network", name, *(f"-e{word}" for word in words), POSTGRES_IMAGE)
    try:
        ready = ("exec", name, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "shop")
        until(lambda: docker(*ready, check=False).returncode == 0, "PostgreSQL answers")
        yield PostgresContainer(docker, name, name)
    finally:
        docker("rm", "-fv", name)
        docker("network", "rm", name)


@pytest.fixture
def shop(docker: Docker, tmp_path: Path) -> Iterator[ShopProject]:
    """examples/shop in a repository of its own, cloned to its server; nothing of it is up yet."""
    project = ShopProject.create(tmp_path / "shop", docker)
    try:
        yield project
    finally:
        project.down()
