"""Where the story plays: a throwaway server, a copy of the example project, and commands run as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from cli import wiring
from operations import catalog
from operations.errors import NotFound
from operations.ports import Database
from operations.quoting import identifier
from operations.secret import Secret
from operations.signals import signals_held_back

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "shop"
DATABASE = "shop"
OWNER = "shop_owner"
TIMEOUT = 120.0
"""Seconds for one command; each takes a few."""
TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY 1
"""


class StoryBroken(Exception):
    """Something was not as the story has it; the message says what."""


class State(Struct, frozen=True):
    """What is in the database: an independent look, by SQL of the story's own.

    ``fingerprint`` covers the whole schema and every row of every table, the migration history included.
    """

    tables: int
    rows: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.rows:,} rows, fingerprint {self.fingerprint}"


@dataclass
class Stage:
    """The project's directory, the database, and a voice."""

    project: Path
    database: Database
    variables: dict[str, str]
    voice_on_stderr: bool
    color: bool | None
    commands: list[str] = field(default_factory=list)

    def say(self, text: str = "") -> None:
        """Tell the reader something."""
        click.echo(text, err=self.voice_on_stderr, color=self.color)

    def expect(self, holds: bool, text: str) -> None:
        """What the story promises; raises ``StoryBroken`` where it does not hold."""
        if not holds:
            raise StoryBroken(f"This should be so, and is not: {text}")
        self.say(click.style("  ✓ ", fg="green") + text)

    def locktender(self, *words: str, exit_code: int = 0) -> str:
        """Run the command as typed and show what it says; returns that. The exit code is one of the promises."""
        self.commands.append(" ".join(("locktender", *words)))
        self.say(click.style(f"  $ {self.commands[-1]}", bold=True))
        ended, said = self._run(*words)
        for line in said.splitlines():
            self.say(click.style(f"    {line}", dim=True))
        if ended != exit_code:
            raise StoryBroken(f"{self.commands[-1]} should end with exit code {exit_code}, and ended with {ended}.")
        self.say(click.style(f"    (exit code {ended})", dim=True))
        return said

    def asked(self, *words: str) -> dict[str, Any]:
        """The same command's result as a script gets it; not part of what is told."""
        result: dict[str, Any] = json.loads(self._run(*words, "--json", "-q")[1])["result"]
        return result

    def _run(self, *words: str) -> tuple[int, str]:
        with signals_held_back() as hold:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli", *words],
                cwd=self.project,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            return _ended(process, hold.release)

    def add_migration(self, name: str) -> None:
        """Merge one of the migrations that should never have been merged."""
        shutil.copytree(self.project / "demo" / name, self.project / "prisma" / "migrations" / name)
        self.say(f"  (prisma/migrations/{name} is merged)")

    def revert_migration(self, name: str) -> None:
        """Take it out of the folder again."""
        shutil.rmtree(self.project / "prisma" / "migrations" / name)
        self.say(f"  (git revert: prisma/migrations/{name} is gone again)")

    def sql(self, script: str) -> None:
        """Something that the application, or a person, does to the database."""
        with self.database.session(purpose="demo") as session:
            session.script(script)

    def value(self, query: str) -> object:
        """One value from the database."""
        with self.database.session(purpose="demo") as session:
            return session.rows(query)[0][0]

    def state(self) -> State:
        """Look at the whole database."""
        with self.database.session(purpose="demo") as session:
            session.script("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET search_path = ''")
            digest = sha256(catalog.read(session).fingerprint.encode())
            tables = [name for (name,) in session.rows(TABLES)]
            total = 0
            for table in tables:
                count, rows = session.rows(f"SELECT count(*), sum(hashtextextended(t::text, 0))::text FROM {table} t")[
                    0
                ]
                digest.update(f"{table} {count} {rows}".encode())
                total += count
        return State(len(tables), total, digest.hexdigest()[:12])


@contextmanager
def stage(*, voice_on_stderr: bool, color: bool | None) -> Iterator[Stage]:
    """Set the stage and clear it away again, whatever happens in between."""
    if not EXAMPLE.is_dir():
        raise NotFound(
            f"The demonstration plays in the example project, which is not at {EXAMPLE}.",
            hint="Run it from a checkout of Locktender: make demo",
        )
    with tempfile.TemporaryDirectory(prefix="locktender-demo-") as directory, wiring.throwaway_server() as server:
        project = Path(directory) / "shop"
        # Without the example's locktender.toml, which would win over the variables below.
        shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("locktender.toml", ".env", "backups", "web"))
        url = server.url(DATABASE, user=OWNER)
        _create_database(wiring.database(server.url()), server.password)
        yield Stage(
            project=project,
            database=wiring.database(url),
            variables={
                "LOCKTENDER_DATABASE_URL": url.reveal(),
                "LOCKTENDER_MIGRATIONS": "prisma/migrations",
                "LOCKTENDER_BACKUP_DIR": str(Path(directory) / "backups"),
                "LOCKTENDER_CONFIG": "",
                "LOCKTENDER_ENV": "",
                "NO_COLOR": "1",
            },
            voice_on_stderr=voice_on_stderr,
            color=color,
        )


def _create_database(server: Database, password: Secret) -> None:
    """Owned by an ordinary role that may create databases: nothing in the story needs a superuser."""
    with server.session(purpose="demo") as session:
        session.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{password.reveal()}'")
        session.execute(f"CREATE DATABASE {identifier(DATABASE)} OWNER {OWNER}")


def _ended(process: subprocess.Popen[str], release: Callable[[], None]) -> tuple[int, str]:
    """Wait for its end; if we are ended first, it is too, and gets the time to undo what it had begun."""
    try:
        release()
        said, _ = process.communicate(timeout=TIMEOUT)
    except BaseException:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    return process.returncode, said
