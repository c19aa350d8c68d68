"""A server that is reached over SSH, and the program that deploys to it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .. import sshd
from ..locktender_process import ROOT, Ran, finish
from .docker import Docker
from .project import ShopProject

SOON = {"health_for": "1s", "start_timeout": "20s", "stop_timeout": "5s"}


def start(directory: Path, *words: str) -> subprocess.Popen[str]:
    """The program with the configuration in a directory, on a machine that has no Docker at all."""
    configuration = str(directory / "locktender.toml")
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "--config", configuration, "--json", "--yes", *words],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(directory: Path, *words: str) -> Ran:
    return finish(start(directory, *words))


def session_variables(docker: Docker, **more: str) -> str:
    """What a session on the server has to have, to find the lab's Docker."""
    variables = {name: docker.variables[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH")} | more
    return " ".join(f"{name}={value}" for name, value in variables.items())


@dataclass(frozen=True)
class Production:
    """A server that is reached over SSH, and the project that is deployed there."""

    shop: ShopProject
    directory: Path
    login: sshd.Sshd

    def configure(self, **more: str) -> None:
        self.shop.configure(self.directory, self.login.toml(), {"health_url": self.shop.health_url, **SOON}, more)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return start(self.directory, *words)

    def run(self, *words: str) -> Ran:
        return finish(self.start(*words))

    def deploy(self, ref: str, *words: str) -> Ran:
        return self.run("deploy", "--ref", ref, *words)

    @property
    def version(self) -> str | None:
        return self.shop.get("/version").body.get("version")

    @property
    def columns(self) -> set[str]:
        """Of the table that the versions change."""
        told = self.shop.sql("SELECT attname FROM pg_attribute WHERE attrelid = '\"Order\"'::regclass AND attnum > 0")
        return {name for name in told.splitlines() if not name.startswith(".")}

    @property
    def commit(self) -> str:
        return (self.shop.server / ".git" / "HEAD").read_text().strip()
