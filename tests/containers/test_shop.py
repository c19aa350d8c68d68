"""examples/shop, as its README says: from nothing to a running shop, which keeps what it is told."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..documents.snippets import Snippet
from ..ports import free_port
from .docker import POSTGRES_IMAGE, Docker, program_path, until
from .project import EXAMPLE, NEVER, ShopProject

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

NOTE = {"20240801090000_note": 'ALTER TABLE "Order" ADD COLUMN note TEXT;'}


@pytest.fixture
def newcomer(docker: Docker, tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the example and an environment with nothing but Docker and Locktender in it."""
    directory = tmp_path / "shop"
    shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns(".env", "backups"))
    port = free_port()
    configuration = directory / "locktender.toml"
    configuration.write_text(configuration.read_text().replace(":3000/", f":{port}/"))
    variables = {
        **{key: value for key, value in docker.variables.items() if key != "DATABASE_URL"},
        "PATH": program_path(tmp_path / "bin") + docker.variables["PATH"],
        "COMPOSE_PROJECT_NAME": "shop-of-a-newcomer",
        "POSTGRES_IMAGE": POSTGRES_IMAGE,
        "WEB_PORT": str(port),
    }
    yield directory, variables
    docker("compose", "down", "--volumes", cwd=directory, variables={**variables, "POSTGRES_PASSWORD": "any"})


def test_the_readme_leads_from_nothing_to_a_shop_that_was_deployed_and_rolled_back(
    newcomer: tuple[Path, dict[str, str]], documented: list[Snippet]
) -> None:
    directory, variables = newcomer
    script = "\n".join(["set -eu", *(one.script for one in documented)])
    assert script.count("./deploy.sh") == 2
    done = subprocess.run(
        ["sh", "-c", script], cwd=directory, env=variables, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"healthy": true}' in done.stdout
    assert '{"count": 1}' in done.stdout
    assert "Rolled back" in done.stdout
    assert oct((directory / ".env").stat().st_mode & 0o777) == "0o600"
    assert list((directory / "backups").glob("*/manifest.json"))


def test_it_is_healthy_only_with_its_migrations_and_keeps_orders_over_down_and_up(
    shop: ShopProject, tmp_path: Path
) -> None:
    shop.compose("up", "--detach", "--wait", "db")
    shop.compose("up", "--detach", "--build", "web")
    until(lambda: shop.get("/health").status == 503, "the application answers that it lacks a migration")
    migrate(shop, tmp_path)
    shop.compose("up", "--detach", "--wait")
    assert shop.get("/health").status == 200
    assert shop.get("/version").body == {"version": "1.0"}
    placed = [shop.place_order() for _ in range(3)]
    assert [answer.status for answer in placed] == [201] * 3
    assert len({answer.body["id"] for answer in placed}) == 3
    shop.compose("down")
    assert shop.get("/health").status == 0
    shop.compose("up", "--detach", "--wait")
    assert shop.get("/orders/count").body == {"count": 3}
    assert shop.sql('SELECT count(*) FROM "Order"') == "3"


def test_nothing_listens_beyond_loopback_and_no_secret_is_in_the_files(shop: ShopProject) -> None:
    configuration = json.loads(shop.compose("config", "--format", "json").stdout)
    published = [port for service in configuration["services"].values() for port in service.get("ports", ())]
    assert [port["host_ip"] for port in published] == ["127.0.0.1"]
    secret = shop.variables["POSTGRES_PASSWORD"]
    tracked = subprocess.run(["git", "ls-files"], cwd=shop.server, capture_output=True, text=True, check=True).stdout
    assert ".env\n" not in tracked
    assert [name for name in tracked.split() if secret in (shop.server / name).read_text()] == []
    refused = shop.compose("--env-file", "/dev/null", "config", check=False)
    assert refused.returncode != 0
    assert "Copy .env.example to .env" in refused.stderr


def test_the_web_application_stops_at_once_and_finishes_what_it_has_begun(shop: ShopProject, tmp_path: Path) -> None:
    shop.compose("up", "--detach", "--wait", "db")
    migrate(shop, tmp_path)
    shop.compose("up", "--detach", "--build", "--wait")
    shop.compose("stop", "web")
    (container,) = shop.compose("ps", "--all", "--quiet", "web").stdout.split()
    state = shop.docker.inspect(container)["State"]
    logs = shop.compose("logs", "--no-log-prefix", "web").stdout.splitlines()
    assert (state["ExitCode"], logs[-1]) == (0, "stopped")
    assert any(line.startswith("GET /health 200 ") for line in logs)


def test_versions_of_the_project_differ_as_they_are_asked_to(shop: ShopProject, tmp_path: Path) -> None:
    """What the tests of deploys build on: a good version, one that never gets healthy, one that does not build."""
    good = shop.commit_version("1.1", migrations=NOTE)
    ill = shop.commit_version("1.2", on=good, healthy=False)
    broken = shop.commit_version("1.3", on=good, builds=False)
    assert len({good, ill, broken}) == 3
    shop.compose("up", "--detach", "--wait", "db")

    shop.checkout(good)
    migrate(shop, tmp_path)
    shop.compose("up", "--detach", "--build", "--wait")
    assert shop.get("/version").body == {"version": "1.1"}
    assert shop.sql("SELECT count(*) FROM _prisma_migrations") == "10"

    shop.checkout(broken)
    unbuilt = shop.compose("build", "web", check=False)
    assert unbuilt.returncode != 0
    assert "this version does not build" in unbuilt.stdout + unbuilt.stderr

    shop.checkout(ill)
    shop.compose("up", "--detach", "--build", "web")
    until(lambda: shop.get("/version").body == {"version": "1.2"}, "the new version answers")
    assert (shop.get("/health").status, NEVER in shop.get("/health").body["why"]) == (503, True)


def migrate(shop: ShopProject, directory: Path) -> None:
    """The migrations of what is checked out on the server, by Locktender on this machine."""
    variables = {**shop.docker.variables, "DATABASE_URL": shop.url().reveal()}
    variables["PATH"] = program_path(directory / "bin") + variables["PATH"]
    command = ["locktender", "--yes", "apply"]
    done = subprocess.run(command, cwd=shop.server, env=variables, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
