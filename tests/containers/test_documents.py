"""What the documents type and show for Docker, read from there: the image, Dockerfiles, Compose files, a lab."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ..documents.snippets import Snippet
from .conftest import PostgresContainer
from .docker import LAB, ROOT, Docker, until
from .project import EXAMPLE

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

BASE_IMAGE = "python:3.11-slim-bookworm"
DEPLOYED = """\
[environments.production]
database_url = "postgresql://app:word@db:5432/app"
migrations = "migrations"
backup_dir = "/srv/backups/app"
[environments.production.app]
directory = "/srv/app"
database_service = "db"
services = ["web"]
"""
NAMES = ("locktender", "locktender-node")
"""What the documents call the image, built on the one base or the other."""


@pytest.fixture
def named(docker: Docker, image: str) -> Iterator[None]:
    for name in NAMES:
        docker("tag", image, name)
    yield
    docker("rmi", *NAMES)


def types(documented: list[Snippet], directory: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    script = "\n".join(["set -eu", *(one.script for one in documented)])
    return subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def test_the_image_is_made_and_shows_the_demonstration(
    docker: Docker, named: None, documented: list[Snippet], tmp_path: Path
) -> None:
    """In a copy: it also writes what fills the image."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "docs" / "image.md").unlink()
    done = types(documented, tmp_path, docker.variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "docs" / "image.md").read_text().startswith("# What fills the image\n")
    assert "$ locktender restore --undo" in done.stdout + done.stderr


def test_the_image_is_built_on_another_base(docker: Docker, named: None, inline: list[str]) -> None:
    """The stand-in for the usual base goes by the other one's name."""
    (typed,) = inline
    (base,) = re.findall(r"BASE_IMAGE=(\S+)", typed)
    docker("tag", BASE_IMAGE, base)
    try:
        docker(*typed.split()[1:], cwd=ROOT, timeout=800)
        assert docker.inspect(NAMES[0])["RootFS"]["Layers"][0] == docker.inspect(base)["RootFS"]["Layers"][0]
        assert "locktender, version" in docker("run", "--rm", NAMES[0], "--version").stdout
    finally:
        docker("rmi", base)


def test_the_image_is_the_command_in_a_project(
    docker: Docker, named: None, postgres: PostgresContainer, documented: list[Snippet], tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE / "prisma", tmp_path / "prisma")
    (tmp_path / "locktender.toml").write_text(
        '[environments.production]\ndatabase_url = "env:DATABASE_URL"\n'
        'migrations = "prisma/migrations"\nbackup_dir = "backups"\n'
    )
    url = postgres.new_database()
    docker("network", "connect", "bridge", postgres.name)
    try:
        address = docker.inspect(postgres.name)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        reached = url.replace(f"@{postgres.name}:", f"@{address}:")
        done = types(documented, tmp_path, {**docker.variables, "DATABASE_URL": reached})
    finally:
        docker("network", "disconnect", "bridge", postgres.name)
    assert (done.returncode, "9 pending" in done.stdout) == (1, True), done.stdout + done.stderr


def test_a_dockerfile_makes_an_image_that_begins_with_locktender(
    docker: Docker, named: None, documented: list[Snippet], tmp_path: Path
) -> None:
    assert len(documented) == 2
    (tmp_path / "server.js").touch()
    for snippet in documented:
        (tmp_path / "Dockerfile").write_text(snippet.text)
        built = docker("build", "-q", str(tmp_path), timeout=300).stdout.strip()
        try:
            configured = docker.inspect(built)["Config"]
            assert (configured["Entrypoint"], configured["Cmd"]) == (
                ["locktender", "start", "--"],
                ["node", "server.js"],
            )
            ran = docker("run", "--rm", built, "true", check=False)
            assert (ran.returncode, "LOCKTENDER_DATABASE_URL" in ran.stderr) == (2, True), ran.stderr
        finally:
            docker("rmi", built)


def test_compose_takes_what_is_shown_of_its_files(docker: Docker, documented: list[Snippet], tmp_path: Path) -> None:
    """What is a part is added to a file that has the rest."""
    assert len(documented) == 3
    (tmp_path / "rest.yaml").write_text("services: {web: {image: web}, db: {image: db}}\n")
    for snippet in documented:
        (tmp_path / "shown.yaml").write_text(snippet.text)
        docker("compose", "-f", "rest.yaml", "-f", "shown.yaml", "config", "--quiet", cwd=tmp_path)


MACHINE = Path(__file__).with_name("machine")
AS_ITS_OWN_MACHINE = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cgroupns", "host"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup"),
)
"""What systemd needs in a container. Not ``--privileged``: a container that tests run in may lack some of that."""


@pytest.fixture
def machine(docker: Docker, image: str, tmp_path: Path) -> Iterator[str]:
    """The name of a container in which systemd runs, Docker does not, and /srv/app deploys a Compose project."""
    built = docker("build", "-q", "--build-arg", f"LOCKTENDER={image}", str(MACHINE), timeout=800).stdout.strip()
    plugins = f"{docker.variables['DOCKER_CONFIG']}/cli-plugins:/usr/libexec/docker/cli-plugins:ro"
    (tmp_path / "compose.yaml").write_text("services: {web: {image: web}, db: {image: db}}\n")
    (tmp_path / "locktender.toml").write_text(DEPLOYED)
    (tmp_path / "migrations").mkdir()
    words = ("--detach", "--volume", plugins, "--volume", f"{tmp_path}:/srv/app", "--workdir", "/srv/app")
    name = docker("run", *AS_ITS_OWN_MACHINE, *words, built).stdout.strip()
    try:
        state = ("exec", name, "systemctl", "is-system-running")
        begun = {"running", "degraded"}  # something that a container has no use for may have failed
        until(lambda: docker(*state, check=False).stdout.strip() in begun, "systemd has started everything", 300)
        yield name
    finally:
        docker("rm", "-fv", name)


def test_a_docker_that_does_not_answer_is_started(docker: Docker, machine: str, inline: list[str]) -> None:
    (typed,) = inline

    def on(*command: str) -> tuple[int, str]:
        done = docker("exec", machine, *command, check=False, timeout=300)
        return done.returncode, done.stdout + done.stderr

    status = ("locktender", "status")
    code, said = on(*status)
    assert (code, "Docker does not answer" in said, f"next: {typed};" in said) == (3, True, True), said
    code, said = on("docker", "version")
    assert (code, "Server:" in said) == (1, False), said
    assert on(*typed.split())[0] == 0
    code, said = on("docker", "version")
    assert (code, "Server:" in said) == (0, True), "as the hint says"
    code, said = on(*status)
    assert (code, "of service 'db' has not been created" in said) == (3, True), f"which Docker has told: {said}"


def test_a_lab_is_brought_up_and_taken_down(docker: Docker, documented: list[Snippet]) -> None:
    lab = beside(docker.variables["DOCKER_HOST"].removeprefix("unix://").removesuffix("/docker.sock"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LOCKTENDER_LAB"))}
    (block,) = documented
    text = block.text.replace("/var/tmp/lab", lab)
    try:
        done = types([Snippet(block.page, block.line, block.kind, text)], ROOT, kept)
    finally:
        subprocess.run([str(LAB), "down", lab], capture_output=True, timeout=120, check=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "CONTAINER ID" in done.stdout
    assert not Path(lab).exists()


def beside(other: str) -> str:
    """A directory for a lab that does not share its network with another one; see lab.sh."""
    names = (f"/var/tmp/locktender-lab-documented-{number}" for number in itertools.count())
    return next(name for name in names if network(name) != network(other))


def network(lab: str) -> int:
    return int(hashlib.sha256(os.path.realpath(lab).encode()).hexdigest()[:6], 16) % 120
