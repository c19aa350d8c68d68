"""The Action as GitHub's runner starts it: variables, event file, a workspace that is somebody's, HOME elsewhere."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from action.__main__ import run

from .standin import TOKEN, StandIn

ROOT = Path(__file__).resolve().parents[2]
ARGS: list[str] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["runs"]["args"]
AS_INSTALLED = f"""import runpy, sys
sys.path.insert(int(sys.path[0] == ""), {str(ROOT)!r})
runpy.run_module({ARGS[-1]!r}, run_name="__main__", alter_sys=True)
"""
"""In the image the packages are installed: searched after the working directory, should that be searched at all."""
Meanwhile = Callable[["subprocess.Popen[str]"], None]
"""What happens while it runs as a process."""
BASE_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True)
class Ran:
    """A run that has ended."""

    exit_code: int
    log: str
    summary: str
    outputs: Mapping[str, str]

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.outputs["result"])
        return found

    @property
    def sinks(self) -> str:
        """All that was written on this machine."""
        return "\n".join((self.log, self.summary, *self.outputs.values()))

    @property
    def said(self) -> str:
        return f"exit {self.exit_code}\n{self.log}"


@dataclass
class Repository:
    """A git repository with a branch ``main``, and pull requests on it."""

    path: Path

    @classmethod
    def create(cls, path: Path, files: Mapping[str, str]) -> Repository:
        made = cls(path)
        path.mkdir(parents=True)
        made.git("init", "-q", "-b", "main")
        made.commit(files)
        return made

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@shop.example", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *words], cwd=self.path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | None], message: str = "A change") -> str:
        for name, text in files.items():
            path = self.path / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, files: Mapping[str, str | None]) -> str:
        """A branch off main with one commit; main stays checked out."""
        self.git("checkout", "-q", "-b", name, "main")
        made = self.commit(files)
        self.git("checkout", "-q", "main")
        return made

    def merged(self, head: str) -> str:
        """GitHub's own merge of a pull request, on no branch."""
        self.git("checkout", "-q", "--detach", "main")
        self.git("merge", "-q", "--no-ff", "-m", "Merge", head)
        made = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")
        return made

    def checkout(self, workspace: Path, sha: str, depth: int = 1) -> Path:
        """As actions/checkout does it: by default with this one commit and nothing else."""
        self.git("update-ref", "refs/heads/fetch-me", sha)
        workspace.mkdir(parents=True, exist_ok=True)
        run = {"cwd": workspace, "check": True, "capture_output": True, "timeout": 60}
        subprocess.run(["git", "init", "-q"], **run)  # type: ignore[call-overload]
        limit = ["--depth", str(depth)] if depth else []
        subprocess.run(["git", "fetch", "-q", *limit, f"file://{self.path}", "refs/heads/fetch-me"], **run)  # type: ignore[call-overload]
        subprocess.run(["git", "checkout", "-q", "--detach", "FETCH_HEAD"], **run)  # type: ignore[call-overload]
        return workspace


@dataclass
class Runner:
    """One job's surroundings."""

    directory: Path
    github: StandIn
    workspace: Path
    serial: Iterator[int] = field(default_factory=lambda: count(1))
    """Numbers the runs."""

    def run(
        self,
        event: str,
        payload: Mapping[str, Any],
        sha: str,
        inputs: Mapping[str, str] | None = None,
        *,
        process: bool = False,
        meanwhile: Meanwhile = lambda _: None,
        **variables: str,
    ) -> Ran:
        """By default within this process, which is quicker; ``process``: as the runner starts it."""
        number = next(self.serial)
        files = self.directory / f"run{number}"
        files.mkdir(parents=True)
        environ = self.environment(files, event, payload, sha, {"github-token": TOKEN, **(inputs or {})})
        environ |= {"GITHUB_RUN_ATTEMPT": str(number), **variables}
        exit_code, log = (_started if process else _called)(environ, self.workspace, meanwhile)
        return Ran(exit_code, log, (files / "summary").read_text(), _outputs((files / "output").read_text()))

    def environment(
        self, files: Path, event: str, payload: Mapping[str, Any], sha: str, inputs: Mapping[str, str]
    ) -> dict[str, str]:
        for name in ("output", "summary"):
            (files / name).touch()
        (files / "event.json").write_text(json.dumps(payload))
        (files / "home").mkdir()
        kept = {name: os.environ[name] for name in BASE_ENVIRONMENT if name in os.environ}
        given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        return kept | given | {
            "PYTHONPATH": str(self.workspace),  # as a step before ours could set it
            "HOME": str(files / "home"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(files / "event.json"),
            "GITHUB_REPOSITORY": self.github.state.name,
            "GITHUB_SHA": sha,
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_ACTOR": "ada",
            "GITHUB_RUN_ID": "4711",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_API_URL": self.github.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_OUTPUT": str(files / "output"),
            "GITHUB_STEP_SUMMARY": str(files / "summary"),
            "LOCKTENDER_GITHUB_TIMEOUT": "60",
            "LOCKTENDER_GITHUB_PAUSE": "0.01",
        }  # fmt: skip


def _started(environ: Mapping[str, str], workspace: Path, meanwhile: Meanwhile) -> tuple[int, str]:
    process = subprocess.Popen(
        [sys.executable, *ARGS[: ARGS.index("-m")], "-c", AS_INSTALLED],
        cwd=workspace, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        meanwhile(process)
        log, _ = process.communicate(timeout=240)
    finally:
        process.kill()
        process.wait()
    return process.returncode, log


def _called(environ: Mapping[str, str], _: Path, __: Meanwhile) -> tuple[int, str]:
    stream = io.StringIO()
    return run(environ, stream), stream.getvalue()


def _outputs(text: str) -> dict[str, str]:
    """As the runner reads the file."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, mark, delimiter = line.partition("<<")
        assert mark, line
        value: list[str] = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        else:
            raise AssertionError(f"{name} does not end")
        found[name] = "\n".join(value)
    return found


def pull_request(
    number: int, base_sha: str, head_sha: str, *, fork: bool = False, author: str = "ada", action: str = "opened"
) -> dict[str, Any]:
    """The event's JSON, as far as anybody looks at it."""
    home = {"full_name": "ada/shop", "default_branch": "main"}
    return {
        "action": action,
        "number": number,
        "repository": home,
        "pull_request": {
            "number": number,
            "title": "Untrusted ::error::title",
            "user": {"login": author},
            "head": {"sha": head_sha, "ref": "change", "repo": {"full_name": "eve/shop"} if fork else home},
            "base": {"sha": base_sha, "ref": "main", "repo": home},
        },
    }
