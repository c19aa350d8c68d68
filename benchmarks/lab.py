"""The shop in a Docker of its own, on a server that is reached over SSH, as in production."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import sshd
from tests.containers.docker import LAB, Docker, lab_variables
from tests.containers.project import ShopProject

from .measure import NotMeasured, Timed, timed
from .servers import ROOT


@dataclass(frozen=True)
class Production:
    """The shop on its server, and the directory elsewhere from which Locktender deploys it."""

    shop: ShopProject
    directory: Path
    login: sshd.Sshd

    def configure(self) -> None:
        self.shop.configure(self.directory, self.login.toml(), {"health_url": self.shop.health_url})

    def deploy(self, ref: str, *words: str) -> Timed:
        """Locktender as a whole process, which has no Docker where it runs."""
        configuration = str(self.directory / "locktender.toml")
        argv = [sys.executable, "-m", "cli", "--config", configuration, "--json", "--yes", "deploy", "--ref", ref]
        return timed([*argv, *words], {"DOCKER_HOST": "unix:///nowhere", "NO_COLOR": "1"}, ROOT)


@contextmanager
def docker() -> Iterator[Docker]:
    """The lab in LOCKTENDER_LAB, or one for the time being. Raises ``NotMeasured`` where Docker does not start."""
    given = os.environ.get("LOCKTENDER_LAB")
    directory = given or f"/var/tmp/locktender-lab-{uuid.uuid4().hex[:8]}"
    begun = subprocess.run([LAB, "up", directory], capture_output=True, text=True, timeout=900, check=False)
    try:
        if begun.returncode:
            said = begun.stderr.strip().splitlines() or ["lab.sh up failed"]
            raise NotMeasured(f"Docker does not start: {said[-1]}")
        yield Docker(lab_variables(directory))
    finally:
        if not given:
            subprocess.run([LAB, "down", directory], capture_output=True, timeout=120, check=False)


@contextmanager
def production(work: Path) -> Iterator[Production]:
    """A server with nothing on it yet but a clone of the shop's repository."""
    if not sshd.BINARY.exists():
        raise NotMeasured(f"There is no {sshd.BINARY}.")
    (work / "sshd").mkdir(parents=True)
    with docker() as engine:
        variables = " ".join(f"{name}={engine.variables[name]}" for name in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH"))
        with sshd.running(work / "sshd", variables=variables) as login:
            shop = ShopProject.create(work / "shop", engine, name="shop-in-benchmark")
            found = Production(shop, work / "client", login)
            found.configure()
            try:
                yield found
            finally:
                shop.down()
