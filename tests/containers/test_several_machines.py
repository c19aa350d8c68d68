"""One database, and the application on two machines: in their order, and both or neither."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .. import sshd
from ..locktender_process import Ran
from ..ports import free_port
from .docker import Docker
from .production import SOON, run, session_variables
from .project import ShopProject

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

NETWORK = "shop-of-several"
GIFT = {"20240802090000_gift": 'ALTER TABLE "Order" ADD COLUMN gift BOOLEAN;'}
TAIL = """
networks:
  default: { name: %s, external: true }
"""


@dataclass(frozen=True)
class Fleet:
    """``shop`` holds the database and is machine a; machine b is another Compose project, behind an sshd of its own."""

    shop: ShopProject
    directory: Path
    ports: dict[str, int]

    def variables(self, name: str) -> dict[str, str]:
        """What tells a machine from the other one, since they share Docker and files."""
        project = f"{self.shop.name}-{name}"
        return {"COMPOSE_PROJECT_NAME": project, "WEB_PORT": str(self.ports[name]), "MACHINE": name}

    def deploy(self, ref: str) -> Ran:
        return run(self.directory, "deploy", "--ref", ref)

    def versions(self) -> dict[str, str | None]:
        """Asked of each machine's container."""
        return {name: self._version(name) for name in ("a", "b")}

    def _version(self, name: str) -> str | None:
        told = self._docker(name, "exec", "-T", "web", "cat", "release.json")
        return json.loads(told.stdout)["version"] if told.returncode == 0 else None

    def _docker(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.shop.docker("compose", *words, cwd=self.shop.server, variables=self.variables(name), check=False)

    def down(self) -> None:
        for name in ("b", "a"):
            self._docker(name, "down", "--volumes", "--timeout", "5")


@pytest.fixture(scope="module")
def fleet(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    shop = ShopProject.create(directory / "shop", docker, name="shop-of-several")
    compose = shop.work / "compose.yaml"
    compose.write_text(compose.read_text() + TAIL % NETWORK)
    shop.checkout(shop.commit("Both machines in one network"))
    docker("network", "create", NETWORK)
    found = Fleet(shop, directory / "client", {"a": shop.web_port, "b": free_port()})
    found.directory.mkdir()
    try:
        with machine(docker, found, directory, "a") as a, machine(docker, found, directory, "b") as b:
            (b.directory / "authorized_keys").write_text(sshd.public_of(a.directory / "user_key") + "\n")
            configure(found, a, b)
            found._docker("a", "up", "--detach", "--wait", "db")
            yield found
    finally:
        found.down()
        docker("network", "rm", NETWORK)


def machine(docker: Docker, fleet: Fleet, directory: Path, name: str) -> AbstractContextManager[sshd.Sshd]:
    place = directory / f"sshd-{name}"
    place.mkdir()
    return sshd.running(place, variables=session_variables(docker, **fleet.variables(name)))


def configure(fleet: Fleet, a: sshd.Sshd, b: sshd.Sshd) -> None:
    server = a.toml()
    (fleet.directory / "known_hosts").write_text(a.known_hosts + b.known_hosts)
    server["known_hosts"] = json.dumps(f"file:{fleet.directory}/known_hosts")
    hosts = [f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}"]
    fleet.shop.configure(fleet.directory, server, {"hosts": hosts, **SOON, "start_timeout": "30s"})


def test_both_get_a_good_version_and_neither_a_version_that_only_the_first_can_start(fleet: Fleet) -> None:
    good = fleet.shop.commit_version("3.0")
    ran = fleet.deploy(good)
    assert (ran.exit_code, ran.result["outcome"]) == (0, "deployed"), ran.said
    assert fleet.versions() == {"a": "3.0", "b": "3.0"}

    compose = fleet.shop.work / "compose.yaml"
    text = compose.read_text()
    command = '["sh", "-c", "[ $$MACHINE = a ] && exec /opt/shop/bin/python -u shop.py; echo not here; exit 4"]'
    compose.write_text(
        text.replace("    init: true\n", f"    init: true\n    command: {command}\n", 1).replace(
            "      DATABASE_URL: postgresql", "      MACHINE: ${MACHINE:-}\n      DATABASE_URL: postgresql", 1
        )
    )
    bad = fleet.shop.commit_version("3.1", migrations=GIFT)
    ran = fleet.deploy(bad)
    assert (ran.exit_code, ran.error["code"], ran.result["outcome"]) == (3, "app_not_well", "rolled_back"), ran.said
    assert "not here" in ran.error["details"]["logs"][0]
    assert ran.result["rollback"]["lossless"]
    assert fleet.versions() == {"a": "3.0", "b": "3.0"}
    status = run(fleet.directory, "status")
    assert (status.exit_code, status.result["last_run"]["state"]) == (0, "old"), status.said
