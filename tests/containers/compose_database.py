"""A PostgreSQL that is a service of a Compose project and publishes no port, and Locktender run beside it."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..locktender_process import ROOT, Ran, finish

LOCK_LABEL = "locktender.lock"
COMPOSE = """\
services:
  db:
    image: postgres:15-bookworm
    environment:
      POSTGRES_USER: app
      POSTGRES_PASSWORD: {password}
    volumes: ["{backups}:/backups"]
{more}
"""
CONFIGURATION = """\
[environments.local]
database_url = "env:LOCKTENDER_TEST_URL"
migrations = "{directory}/migrations"
backup_dir = "{backups}"
{settings}
[environments.local.app]
directory = "{directory}"
database_service = "db"
services = ["web"]
"""


@dataclass(frozen=True)
class ComposeDatabase:
    """``variables`` lead to the lab's Docker; ``backups`` is mounted in the container, too."""

    directory: Path
    variables: Mapping[str, str]
    password: str = field(default_factory=lambda: f"word-{secrets.token_hex(8)}")

    @property
    def backups(self) -> Path:
        return self.directory / "backups"

    def write(self, more: str = "") -> None:
        """The project; ``more`` are lines of the service."""
        self.backups.mkdir(exist_ok=True)
        text = COMPOSE.format(password=self.password, backups=self.backups, more=more)
        (self.directory / "compose.yaml").write_text(text)

    def docker(self, *words: str) -> str:
        done = subprocess.run(
            ["docker", *words], env=self.environment(), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def compose(self, *words: str) -> str:
        return self.docker("compose", "--project-directory", str(self.directory), *words)

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    @property
    def container(self) -> str:
        return self.compose("ps", "--quiet", "db")

    def up(self) -> None:
        """Started, and so far that it takes connections over the network (not only while it is being set up)."""
        self.compose("up", "--detach", "db")
        wait_for(lambda: self._answers(), "the database answers")

    def psql(self, database: str, sql: str) -> str:
        return self.docker("exec", self.container, "psql", "-U", "app", "-d", database, "-qAtc", sql)

    def log(self) -> str:
        """What the server has said since it was started first."""
        done = subprocess.run(
            ["docker", "logs", self.container],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def create(self) -> str:
        name = f"t_{secrets.token_hex(4)}"
        self.psql("postgres", f"CREATE DATABASE {name}")
        return name

    def url(self, database: str, host: str = "db:5432") -> str:
        return f"postgresql://app:{self.password}@{host}/{database}"

    def locks(self) -> list[str]:
        """Sidecars that hold a lock."""
        return self.docker("ps", "--all", "--quiet", "--filter", f"label={LOCK_LABEL}").split()

    def _answers(self) -> bool:
        with suppress(AssertionError):
            words = ("exec", self.container, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "app")
            return self.docker(*words) == ""
        return False


@dataclass(frozen=True)
class Run:
    """Locktender for one database of the project, with its own backups, as an account of this machine."""

    project: ComposeDatabase
    database: str
    client: str = "sidecar"
    account: str = "root"
    groups: tuple[int, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    host: str = "db:5432"

    @property
    def directory(self) -> Path:
        return self.project.directory / self.database

    @property
    def backups(self) -> Path:
        return self.project.backups / self.database

    def prepare(self) -> None:
        """Its files, which belong to the account where it has to write."""
        self.migrations.mkdir(parents=True, exist_ok=True)
        (self.migrations / "migration_lock.toml").write_text('provider = "postgresql"\n')
        settings = {"client": json.dumps(self.client), **self.settings}
        lines = "\n".join(f"{key} = {value}" for key, value in settings.items())
        text = CONFIGURATION.format(directory=self.project.directory, backups=self.backups, settings=lines)
        text = text.replace(f"{self.project.directory}/migrations", str(self.migrations))
        (self.directory / "locktender.toml").write_text(text)
        self.backups.mkdir(exist_ok=True)
        who = pwd.getpwnam(self.account)
        os.chown(self.backups, who.pw_uid, who.pw_gid)

    @property
    def migrations(self) -> Path:
        return self.directory / "migrations"

    def migration(self, name: str, sql: str) -> None:
        (self.migrations / name).mkdir()
        (self.migrations / name / "migration.sql").write_text(sql)

    def start(self, *words: str) -> subprocess.Popen[str]:
        own = {"LOCKTENDER_TEST_URL": self.project.url(self.database, self.host), "NO_COLOR": "1"}
        configuration = ["--config", str(self.directory / "locktender.toml")]
        return subprocess.Popen(
            [*self._as_account(), sys.executable, "-P", "-m", "cli", *configuration, "--json", "--yes", *words],
            cwd=ROOT,
            env={**self.project.environment(), "PYTHONPATH": str(ROOT), **own, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _as_account(self) -> list[str]:
        """May read everything: the interpreter may lie in root's home. What it may write, and Docker, are as usual."""
        if self.account == "root":
            return []
        who = pwd.getpwnam(self.account)
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        capabilities = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
        return ["/usr/bin/setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", groups, *capabilities]

    def run(self, *words: str) -> Ran:
        return finish(self.start(*words))

    def done(self, *words: str) -> Ran:
        ran = self.run(*words)
        assert ran.exit_code == 0, ran.said
        return ran

    def rows(self, sql: str) -> str:
        return self.project.psql(self.database, sql)


def wait_for(happens: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def processes() -> Iterator[tuple[int, str, str]]:
    """Of this machine and of the lab's containers: pid, command line, environment."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            variables = (path / "environ").read_bytes().replace(b"\0", b"\n").decode(errors="replace")
            yield int(path.name), words, variables
