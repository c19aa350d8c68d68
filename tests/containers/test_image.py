"""The image: what is in it, what is not, and that it works as a command, in GitHub's hands and as an app's watchman."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Server
from .conftest import PostgresContainer
from .docker import ROOT, Docker, until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

MIGRATIONS = ROOT / "examples" / "shop" / "prisma"
PYTHON = "/opt/locktender/bin/python"
BASE_IMAGE = "python:3.11-slim-bookworm"
LIMIT = 250_000_000
"""Bytes that the image may add to its base."""
USER = ("--user", "locktender")


def last_line(text: str) -> dict[str, Any]:
    return dict(json.loads(text.strip().splitlines()[-1]))


@contextmanager
def volume(docker: Docker) -> Iterator[str]:
    name = f"volume-{uuid.uuid4().hex[:8]}"
    docker("volume", "create", name)
    try:
        yield name
    finally:
        docker("volume", "rm", "-f", name)


def for_database(postgres: PostgresContainer, url: str | None = None) -> list[str]:
    """Options of ``docker run`` for a new empty database with the shop's migrations."""
    return [
        "--network", postgres.network, "-v", f"{MIGRATIONS}:/work/prisma:ro",
        "-e", f"LOCKTENDER_DATABASE_URL={url or postgres.new_database()}", "-e", "LOCKTENDER_BACKUP_DIR=/tmp/backups",
    ]  # fmt: skip


# What it is


def test_it_says_its_version_which_is_also_on_its_label(docker: Docker, image: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert docker("run", "--rm", image, "--version").stdout.strip() == f"locktender, version {version}"
    labels = docker.inspect(image)["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_without_words_it_shows_the_help(docker: Docker, image: str) -> None:
    assert "Usage: locktender" in docker("run", "--rm", image).stdout


def test_all_modules_are_compiled(docker: Docker, image: str) -> None:
    script = (
        "import pathlib, sysconfig; root = pathlib.Path(sysconfig.get_paths()['purelib']);"
        "print(*(p for d in ('operations', 'cli', 'psycopg') for p in (root / d).rglob('*.py')"
        " if not (p.parent / '__pycache__' / f'{p.stem}.cpython-311.pyc').exists()), sep='\\n')"
    )
    assert docker("run", "--rm", "--entrypoint", PYTHON, image, "-P", "-c", script).stdout.strip() == ""


def test_it_adds_no_more_to_its_base_than_it_may(docker: Docker, image: str) -> None:
    added = docker.inspect(image)["Size"] - docker.inspect(BASE_IMAGE)["Size"]
    assert added < LIMIT
    written = re.search(r"adds \*\*(\d+) MB\*\*", (ROOT / "docs" / "image.md").read_text())
    assert written, "docs/image.md does not say it: make image"
    assert abs(int(written[1]) - added / 1e6) < 15, "docs/image.md is out of date: make image"


def test_what_it_has_no_use_for_is_not_there(docker: Docker, image: str) -> None:
    find = (
        "find /opt/locktender '(' -name pip -o -name setuptools -o -name '*.[ah]' -o -name tests ')' -print;"
        " find / -xdev -name .git -print; ls /var/lib/apt/lists"
    )
    assert docker("run", "--rm", "--entrypoint", "sh", image, "-c", find).stdout.strip() == ""


# What gets in


def test_nothing_of_the_checkout_but_what_is_listed_gets_into_the_build(
    docker: Docker, image: str, tmp_path: Path
) -> None:
    """The same context gives the same image: a secret that lies about makes no difference to it."""
    copy = tmp_path / "checkout"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for name in (".env", "operations/.env", "id_ed25519", ".git/config", "backups/b/archive", "cli/__pycache__/x.pyc"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("the-secret")
    docker("build", "-q", "-t", "locktender:copy", str(copy), timeout=900)
    same = docker.inspect("locktender:copy")["Id"] == docker.inspect(image)["Id"]
    docker("rmi", "locktender:copy")
    assert same


def test_history_and_configuration_hold_no_secret(docker: Docker, image: str) -> None:
    told = docker("history", "--no-trunc", image).stdout + json.dumps(docker.inspect(image))
    assert not re.search(r"(?i)password|secret|token|BEGIN .*KEY|://[^/\s:]+:[^@\s]+@", told)


def test_building_again_gives_the_same_files(docker: Docker, image: str) -> None:
    """All of /opt/locktender; what apt installs is as new as the mirror."""
    docker("build", "--no-cache", "--target", "build", "-q", "-t", "locktender:again", str(ROOT), timeout=900)
    sums = "find . -type f -print0 | sort -z | xargs -0 sha256sum"
    tree = f"cd /opt/locktender; {sums}; find . -printf '%P %m %u %y %l\\n' | sort"
    first, second = (
        docker("run", "--rm", "--entrypoint", "sh", name, "-c", tree).stdout.splitlines()
        for name in (image, "locktender:again")
    )
    docker("rmi", "locktender:again")
    assert len(first) > 2000
    assert sorted(set(first) ^ set(second))[:20] == []


# As a command


def test_status_and_apply_against_a_postgresql_in_a_container(
    docker: Docker, image: str, postgres: PostgresContainer
) -> None:
    """As the image's own user without privileges, on a file system that cannot be written to."""
    options = [*for_database(postgres), *USER, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    pending = docker("run", "--rm", *options, image, "--json", "status", check=False)
    assert (pending.returncode, len(last_line(pending.stdout)["result"]["pending"])) == (1, 9)
    assert docker("run", "--rm", *options, image, "--yes", "apply").returncode == 0
    assert last_line(docker("run", "--rm", *options, image, "--json", "status").stdout)["result"]["pending"] == []


@pytest.mark.parametrize("major", [15, 18])
def test_a_backup_is_taken_with_the_client_of_the_servers_version(
    docker: Docker, image: str, server15: Server, server18: Server, major: int
) -> None:
    server = {15: server15, 18: server18}[major]
    name = server.create()
    url = server.url(name).reveal()
    with volume(docker) as backups:
        options = ["--network", "host", "-e", f"LOCKTENDER_DATABASE_URL={url}", "-e", "LOCKTENDER_BACKUP_DIR=/backups"]
        options += ["-v", f"{backups}:/backups", "-v", f"{MIGRATIONS}:/work/prisma:ro"]
        docker("run", "--rm", *options, image, "--yes", "apply")
        made = last_line(docker("run", "--rm", *options, image, "--json", "backup", "create").stdout)["result"]
        shown = docker("run", "--rm", *options, "--entrypoint", "cat", image, f"{made['path']}/manifest.json")
        manifest = json.loads(shown.stdout)
    assert manifest["client_version"] // 10000 == major


def test_the_demonstration_needs_nothing_but_the_image_and_ends_on_docker_stop(docker: Docker, image: str) -> None:
    name = f"demo-{uuid.uuid4().hex[:8]}"
    docker("run", "-d", "--name", name, image, "demo")
    try:
        until(lambda: "$ locktender backup create" in docker("logs", name).stdout, "the story has begun")
        docker("stop", "-t", "30", name)
        ended = docker.inspect(name)["State"]
        assert (ended["ExitCode"], ended["OOMKilled"]) == (3, False), docker("logs", name).stderr
        assert "interrupted" in docker("logs", name).stderr
    finally:
        docker("rm", "-f", name)


def test_the_options_of_docker_that_the_documents_name(
    docker: Docker, image: str, postgres: PostgresContainer, server18: Server, inline: list[str]
) -> None:
    """Each to ``docker run``, where status finds its database; ``--init`` puts an init in front."""
    here, there = server18.url(server18.create()).reveal(), postgres.new_database()
    network = "myproject_default"
    docker("network", "create", network)
    try:
        docker("network", "connect", network, postgres.name)
        for typed in inline:
            words = typed.removeprefix("docker run ").split()
            of_its_own = "--network" in words
            options = [*words, *([] if of_its_own else ["--network", postgres.network])]
            options += ["-e", f"LOCKTENDER_DATABASE_URL={here if 'host' in words else there}"]
            options += ["-v", f"{MIGRATIONS}:/work/prisma:ro", "-e", "LOCKTENDER_BACKUP_DIR=/tmp/backups"]
            ran = docker("run", "--rm", *options, image, "--json", "status", check=False)
            assert (ran.returncode, len(last_line(ran.stdout)["result"]["pending"])) == (1, 9), typed
        asked = ("run", "--rm", "--init", "--entrypoint", "cat", image, "/proc/1/comm")
        assert docker(*asked).stdout.strip() == "docker-init"
    finally:
        docker("network", "disconnect", "-f", network, postgres.name, check=False)
        docker("network", "rm", network)


# In a workspace that may be hostile


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A pull request's files: modules named like ours and our libraries', each of which ends the program with 99."""
    for module in ("operations", "cli", "action", "bot", "psycopg", "click", "sitecustomize", "usercustomize", "json"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").write_text("raise SystemExit(99)\n")
        (tmp_path / module / "__main__.py").write_text("raise SystemExit(99)\n")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--entrypoint", "locktender"),
        ("--entrypoint", PYTHON, "-P", "-c", "import operations, cli, action, bot, psycopg"),
    ],
    ids=["as-it-is", "by-name", "other-doors"],
)
def test_modules_of_the_workspace_are_not_imported(
    docker: Docker, image: str, workspace: Path, words: tuple[str, ...]
) -> None:
    options, rest = words[:2], words[2:] or ("--version",)
    mounted = ("-v", f"{workspace}:/github/workspace", "--workdir", "/github/workspace")
    assert docker("run", "--rm", *mounted, *options, image, *rest, check=False).returncode == 0


def test_its_other_doors_import_nothing_of_the_workspace(
    docker: Docker, image: str, workspace: Path, inline: list[str]
) -> None:
    """As the documents type them; without what GitHub or Slack would give them they end with a message of ours."""
    mounted = ("-v", f"{workspace}:/github/workspace", "--workdir", "/github/workspace", "--entrypoint", PYTHON)
    for typed in inline:
        _, *words = typed.split()
        door = words if "-m" in words else [*words, "-m", "cli"]
        ended = docker("run", "--rm", *mounted, image, *door, check=False)
        assert ended.returncode in (0, 2), f"{typed}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        assert "Traceback (most" not in ended.stderr


def test_the_hostile_workspace_is_hostile(docker: Docker, image: str, workspace: Path) -> None:
    mounted = ("-v", f"{workspace}:/github/workspace", "--workdir", "/github/workspace", "--entrypoint", PYTHON)
    assert docker("run", "--rm", *mounted, image, "-m", "cli", check=False).returncode == 99


def test_it_runs_as_github_runs_the_container_of_an_action(
    docker: Docker, image: str, postgres: PostgresContainer, tmp_path: Path
) -> None:
    """As root, writing into another user's workspace, with inputs in the environment."""
    shutil.copytree(MIGRATIONS, tmp_path / "prisma")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ada", "-c", "user.email=ada@shop.example"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The shop"]):
        subprocess.run([*git, *words], check=True, timeout=60)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 1001, 1001)
    url = postgres.new_database()
    options = [
        "--network", postgres.network, "--workdir", "/github/workspace", "-v", f"{tmp_path}:/github/workspace",
        "-e", "HOME=/github/home", "-e", "GITHUB_ACTIONS=true", "-e", "CI=true", "-e", "INPUT_COMMAND=status",
        "-e", "INPUT_DATABASE-URL=unused", "-e", "GITHUB_OUTPUT=/github/file_commands/set_output",
        "-e", f"LOCKTENDER_DATABASE_URL={url}", "-e", "LOCKTENDER_BACKUP_DIR=/github/workspace/backups",
    ]  # fmt: skip
    assert docker("run", "--rm", *options, image, "--yes", "deploy").returncode == 0
    made = last_line(docker("run", "--rm", *options, image, "--json", "backup", "create").stdout)["result"]
    assert (tmp_path / "backups" / made["id"] / "manifest.json").is_file()
    log = docker("run", "--rm", *options, "--entrypoint", "git", image, "log", "--format=%s").stdout
    assert log.strip() == "The shop"


# As a watchman


@pytest.fixture
def watched(docker: Docker, image: str, postgres: PostgresContainer) -> Iterator[Callable[..., str]]:
    """Starts a container of the image that does nothing but be asked how it is, at short intervals."""
    name = f"watched-{uuid.uuid4().hex[:8]}"
    often = ("--health-interval", "1s", "--health-start-period", "1ms", "--health-retries", "1")

    def start(*options: str) -> str:
        docker("run", "-d", "--init", "--name", name, *often, *options, "--entrypoint", "sleep", image, "600")
        return name

    yield start
    docker("rm", "-f", name, check=False)


def test_it_is_healthy_while_the_database_answers_and_nothing_is_pending(
    docker: Docker, image: str, postgres: PostgresContainer, watched: Callable[..., str]
) -> None:
    options = for_database(postgres)
    name = watched(*options)
    until(lambda: docker.health(name) == "unhealthy", "unhealthy while migrations are pending")
    docker("run", "--rm", *options, image, "--yes", "apply")
    until(lambda: docker.health(name) == "healthy", "healthy once all are applied")
    docker("network", "disconnect", postgres.network, name)
    until(lambda: docker.health(name) == "unhealthy", "unhealthy without a database")
