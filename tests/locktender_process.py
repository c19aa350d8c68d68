"""The whole real program as a child process, as a user or a workflow starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations.secret import Secret

from . import forked

ROOT = Path(__file__).resolve().parents[1]
URL_VARIABLE = "LOCKTENDER_TEST_URL"


@dataclass(frozen=True)
class Ran:
    """A finished run: its exit status and what it said."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object, which must be all of stdout."""
        assert self.stdout.strip(), f"no JSON on stdout; stderr: {self.stderr}"
        (line,) = self.stdout.splitlines()
        answer: dict[str, Any] = json.loads(line)
        assert set(answer) == {"ok", "command", "environment", "result", "error"}
        assert answer["ok"] == (self.exit_code == 0)
        return answer

    @property
    def result(self) -> dict[str, Any]:
        result = self.answer["result"]
        assert isinstance(result, dict), self.answer
        return result

    @property
    def error(self) -> dict[str, Any]:
        error = self.answer["error"]
        assert isinstance(error, dict), self.answer
        return error

    @property
    def said(self) -> str:
        return f"exit {self.exit_code}\n{self.stdout}\n{self.stderr}"


@dataclass(frozen=True)
class Project:
    """A directory with a ``locktender.toml`` for one database, and the program run in it."""

    directory: Path
    url: Secret
    migrations: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further lines of the environment's section, values as TOML writes them."""
    backups: Mapping[str, str] = field(default_factory=dict)
    backup_dir: Path | None = None
    server: Mapping[str, str] = field(default_factory=dict)
    """Keys of the server's section; without any it is this machine."""
    module: str = "cli"
    """What is run."""

    @property
    def backup_path(self) -> Path:
        return self.backup_dir or self.directory / "backups"

    @property
    def state_path(self) -> Path:
        return self.backup_path / ".locktender" / "local"

    @property
    def configuration(self) -> Path:
        path = self.directory / "locktender.toml"
        lines = [
            "[environments.local]",
            f'database_url = "env:{URL_VARIABLE}"',
            f"migrations = {json.dumps(str(self.migrations))}",
            f"backup_dir = {json.dumps(str(self.backup_path))}",
            *(f"{key} = {value}" for key, value in self.settings.items()),
            "[environments.local.backups]",
            *(f"{key} = {value}" for key, value in self.backups.items()),
            *(["[environments.local.server]"] if self.server else []),
            *(f"{key} = {value}" for key, value in self.server.items()),
        ]
        text = "\n".join(lines) + "\n"
        if not path.exists() or path.read_text() != text:
            self.directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return path

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", self.module, "--config", str(self.configuration), "--json", "--yes", *arguments]

    @property
    def variables(self) -> dict[str, str]:
        """What the child's environment has besides ours; compiled modules are kept, as on a user's machine."""
        return {URL_VARIABLE: self.url.reveal(), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": ""}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a run; stdout and stderr are pipes."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=ROOT,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, timeout: float = 240) -> Ran:
        """Run to the end."""
        if self.module == "cli" and forked.possible():
            words = self.argv(*arguments)[3:]
            return run_forked(words, ROOT, {**os.environ, **self.variables}, timeout)
        return finish(self.start(*arguments), timeout)


def finish(process: subprocess.Popen[str], timeout: float = 240) -> Ran:
    """Wait for a run's end and take what it said."""
    began = time.monotonic()
    with process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return Ran(process.returncode, stdout, stderr, time.monotonic() - began)


def run_forked(words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float) -> Ran:
    """The same by a fork, which saves the program's start."""
    began = time.monotonic()
    code, stdout, stderr = forked.forked(words, cwd, env, timeout)
    return Ran(code, stdout, stderr, time.monotonic() - began)
