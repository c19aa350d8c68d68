"""Ten containers of an application that start together: each migration is applied once, and all of them get up."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import PostgresContainer
from .docker import Docker, until
from .project import EXAMPLE

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

REPLICAS = 10
APPLIED = """
    SELECT count(*), count(DISTINCT migration_name), count(*) FILTER (WHERE finished_at IS NULL)
    FROM _prisma_migrations
"""


@pytest.fixture
def started(docker: Docker) -> Iterator[list[str]]:
    """Names of containers that are removed afterwards."""
    names: list[str] = []
    yield names
    if names:
        docker("rm", "-fv", *names)


def programs(docker: Docker, container: str) -> list[str]:
    """What runs in it, as typed."""
    lines = docker("top", container, "-eo", "pid,args", check=False).stdout.splitlines()[1:]
    return [line.split(maxsplit=1)[1] for line in lines]


def test_ten_replicas_apply_once_and_all_get_up(
    docker: Docker, image: str, postgres: PostgresContainer, started: list[str], tmp_path: Path
) -> None:
    url, migrations = postgres.new_database(), tmp_path / "prisma"
    shutil.copytree(EXAMPLE / "prisma", migrations)
    tmp_path.chmod(0o755)
    shared = uuid.uuid4().hex
    for _ in range(REPLICAS):
        name = f"replica-{uuid.uuid4().hex[:8]}"
        started.append(name)
        docker(
            *("run", "-d", "--name", name, "--network", postgres.network, "-e", "LOCKTENDER_DATABASE_URL"),
            *(
                "-e",
                "LOCKTENDER_BACKUP_DIR=/backups",
                "-v",
                f"{shared}:/backups",
                "-v",
                f"{migrations}:/work/prisma:ro",
            ),
            *(image, "start", "--timeout", "60s", "--", "sleep", "600"),
            variables={"LOCKTENDER_DATABASE_URL": url},
        )
    until(
        lambda: all(programs(docker, name) == ["sleep 600"] for name in started), "all have become the application", 120
    )
    count = len(list(migrations.glob("migrations/*/migration.sql")))
    assert postgres.sql(APPLIED, url.rpartition("/")[2]) == f"{count}|{count}|0"
    told = [docker("logs", name).stderr for name in started]
    assert sum("applied" in text and "20240108093000_init" in text for text in told) == 1, told
    docker("stop", "--time", "20", *started, timeout=60)
    docker("volume", "rm", "-f", shared, check=False)
