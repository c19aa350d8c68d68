"""examples/shop as a team's project: a repository that versions are pushed to, and a clone of it on the server.

shop = ShopProject.create(directory, docker)
good = shop.commit_version("1.1", migrations={"20240801090000_note": 'ALTER TABLE "Order" ADD note TEXT'})
bad = shop.commit_version("1.2", on=good, migrations={"20240802090000_bad": "SELECT 1/0"})
ill = shop.commit_version("1.3", on=good, healthy=False)
broken = shop.commit_version("1.4", on=good, builds=False)
shop.checkout(good)
shop.compose("up", "-d", "--build", "--wait")
shop.get("/version")
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from operations.secret import Secret

from ..ports import free_port
from .docker import POSTGRES_IMAGE, ROOT, Docker

EXAMPLE = ROOT / "examples" / "shop"
FIRST = "1.0"
"""The version that the example is in."""
NEVER = "99999999999999_never"
"""The migration that an application waits for that never gets healthy."""
PASSWORD = "s3cret-of-the-shop"
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answer:
    """What the application said over HTTP; status 0: it could not be reached."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class ShopProject:
    """``upstream`` is a bare repository, ``work`` a developer's clone, ``server`` the application's directory."""

    docker: Docker
    name: str
    upstream: Path
    work: Path
    server: Path
    web_port: int

    @classmethod
    def create(cls, directory: Path, docker: Docker, name: str = "shop-under-test") -> ShopProject:
        """A repository with the example as its only commit. ``name`` is Compose's: use few, images are kept by it."""
        upstream, work, server = (directory / part for part in ("upstream.git", "work", "server"))
        project = cls(docker, name, upstream, work, server, free_port())
        project._git(None, "init", "-q", "--bare", "-b", "main", str(upstream))
        shutil.copytree(EXAMPLE, work, ignore=shutil.ignore_patterns(".env", "backups", "__pycache__"))
        project._git(work, "init", "-q", "-b", "main")
        project._git(work, "remote", "add", "origin", str(upstream))
        project.commit("The shop")
        project._git(None, "clone", "-q", str(upstream), str(server))
        (server / ".env").write_text("".join(f"{key}={value}\n" for key, value in project.variables.items()))
        (server / ".env").chmod(0o600)
        return project

    @property
    def variables(self) -> dict[str, str]:
        """What stands in the server's ``.env``."""
        return {
            "COMPOSE_PROJECT_NAME": self.name,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_IMAGE": POSTGRES_IMAGE,
            "WEB_PORT": str(self.web_port),
            "BACKUP_DIR": "./backups",
            "DATABASE_URL": self.url().reveal(),
        }

    def url(self, host: str = "db", port: int = 5432) -> Secret:
        """The database's, by default as the application has it: its port is not published."""
        return Secret(f"postgresql://shop:{PASSWORD}@{host}:{port}/shop")

    # What developers do

    def commit_version(
        self,
        version: str,
        *,
        migrations: Mapping[str, str] | None = None,
        healthy: bool = True,
        builds: bool = True,
        on: str | None = None,
    ) -> str:
        """Push a version, made from the newest one or from commit ``on``; returns its SHA.

        It needs the newest of its migrations, so it is healthy only once that is applied.
        """
        if on:
            self._git(self.work, "reset", "-q", "--hard", on)
        for name, sql in (migrations or {}).items():
            self.add_migration(name, sql)
        self.set_release(version=version, needs=self.newest_migration if healthy else NEVER)
        if not builds:
            self.break_build()
        return self.commit(f"Version {version}")

    def add_migration(self, name: str, sql: str, down: str | None = None) -> None:
        folder = self.work / "prisma" / "migrations" / name
        folder.mkdir()
        (folder / "migration.sql").write_text(sql)
        if down is not None:
            (folder / "down.sql").write_text(down)

    @property
    def newest_migration(self) -> str:
        return max(path.parent.name for path in (self.work / "prisma" / "migrations").glob("*/migration.sql"))

    def set_release(self, **values: str) -> None:
        """Change ``version``, or the migration that the application ``needs``."""
        path = self.work / "web" / "release.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=2) + "\n")

    def break_build(self) -> None:
        path = self.work / "web" / "Dockerfile"
        path.write_text(path.read_text() + "RUN echo 'this version does not build' >&2 && exit 1\n")

    def commit(self, message: str) -> str:
        """Commit and push whatever was changed in ``work``; returns the SHA."""
        self._git(self.work, "add", "--all")
        self._git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        commit = self._git(self.work, "rev-parse", "HEAD")
        # With a tag of its own it can be fetched also after main was pushed elsewhere.
        self._git(self.work, "push", "-q", "--force", "origin", "HEAD:main", f"HEAD:refs/tags/{commit[:12]}")
        return commit

    # What is on the server

    def checkout(self, commit: str) -> None:
        self._git(self.server, "fetch", "-q", "--tags", "origin")
        self._git(self.server, "checkout", "-q", "--force", "--detach", commit)

    def compose(self, *words: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return self.docker("compose", *words, cwd=self.server, check=check, timeout=timeout)

    def sql(self, statement: str) -> str:
        """Asked of the database in its own container."""
        command = ("psql", "-U", "shop", "-d", "shop", "-v", "ON_ERROR_STOP=1", "-Atqc", statement)
        return self.compose("exec", "-T", "db", *command).stdout.strip()

    def get(self, path: str, method: str = "GET", timeout: float = 10) -> Answer:
        request = urllib.request.Request(f"http://127.0.0.1:{self.web_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Answer(response.status, json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.load(error))
        except OSError:
            return Answer(0, {})

    def place_order(self) -> Answer:
        return self.get("/orders", method="POST")

    def down(self) -> None:
        """Remove containers, network and data; built images stay, for the next time."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def configure(
        self,
        directory: Path,
        server: Mapping[str, str],
        app: Mapping[str, object],
        more: Mapping[str, str] = NOTHING,
    ) -> None:
        """Write the locktender.toml, and the URL beside it, with which ``directory`` deploys this project.

        ``server`` and ``more`` (the environment's own settings) are TOML already, ``app`` is what is added there.
        """
        directory.mkdir(exist_ok=True)
        # The name of the service: known to nobody but Docker, as its port need not be published.
        (directory / "url").write_text(self.url("db", 5432).reveal())
        lines = [
            "[environments.production]",
            'database_url = "file:url"',
            'migrations = "prisma/migrations"',
            f"backup_dir = {json.dumps(str(directory / 'backups'))}",
            *(f"{key} = {value}" for key, value in more.items()),
            "[environments.production.server]",
            *(f"{key} = {value}" for key, value in server.items()),
            "[environments.production.app]",
            f"directory = {json.dumps(str(self.server))}",
            'database_service = "db"',
            'services = ["web"]',
            *(f"{key} = {json.dumps(value)}" for key, value in app.items()),
        ]
        (directory / "locktender.toml").write_text("\n".join(lines) + "\n")

    @property
    def health_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}/health"

    def _git(self, directory: Path | None, *words: str) -> str:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@shop.example", "-c", "commit.gpgsign=false")
        command = ["git", *who, *words]
        return subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
