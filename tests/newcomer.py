"""A newcomer's path by the documents alone: from a project with Prisma and nothing else to a practised restore.

Everything is a process of its own: the command line, and the Action as GitHub's runner starts it, against the stand-in.
What is typed stands in the documents; what the Action is given stands in the workflow that ``init`` wrote.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .action.runner import ROOT, Repository, Runner, pull_request
from .action.standin import StandIn, standing_in
from .documents.snippets import snippets
from .terminal import clean_environment

SHOP = ROOT / "examples" / "shop"
LANDED = ("20240108093000_init", "20240122141500_categories")
NEXT = "20240205101000_order_status"
FOLDER = "prisma/migrations"
WORKFLOW = ".github/workflows/locktender-pull-request.yml"
PAGES = (ROOT / "docs" / "guide.md", *(ROOT / "docs" / "how-to").glob("*.md"))
PULL = 1


@dataclass(frozen=True)
class Step:
    """What was reached, by what, and in how many seconds."""

    reached: str
    typed: str
    seconds: float


class Stumbled(AssertionError):
    """Something that the documents promise did not happen."""


def walk(directory: Path, database_url: str) -> Iterator[Step]:
    """All of the path, step by step, in a new ``directory``; the URL is that of an empty database."""
    repository = _project(directory / "shop")
    variables = {"DATABASE_URL": database_url}
    yield _typed(repository, variables, "configured", "locktender init --yes --scripts")
    _expect((repository.path / WORKFLOW).exists(), "there is a workflow")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "Locktender")
    with standing_in(repository.path) as github:
        yield _proposed(repository, github, directory / "runner")
        _expect(github.state.wrong == [], f"GitHub has nothing to complain of: {github.state.wrong}")
    yield _typed(repository, variables, "looked at", "locktender check", "locktender deploy --dry-run")
    yield _typed(repository, variables, "first deploy", "locktender deploy")
    repository.git("merge", "-q", "--no-edit", "change")
    yield _typed(repository, variables, "deploy of what was merged", "locktender deploy")
    yield _typed(repository, variables, "backup proved", "locktender backup verify latest --test-restore")
    yield _typed(
        repository, variables, "restored, and undone", "locktender restore latest --dry-run",
        "locktender restore latest", "locktender restore --undo",
    )  # fmt: skip
    yield _typed(repository, variables, "all is well", "locktender status")


def _project(directory: Path) -> Repository:
    migrations = {f"{FOLDER}/{name}/migration.sql": _shop(f"prisma/migrations/{name}/migration.sql") for name in LANDED}
    return Repository.create(
        directory,
        {
            "package.json": '{\n  "name": "shop",\n  "devDependencies": {"prisma": "6.19.0"}\n}\n',
            "prisma/schema.prisma": _shop("prisma/schema.prisma"),
            f"{FOLDER}/migration_lock.toml": _shop("prisma/migrations/migration_lock.toml"),
            ".gitignore": "node_modules/\nbackups/\n",
            **migrations,
        },
    )


def _shop(path: str) -> str:
    return (SHOP / path).read_text()


def _typed(repository: Repository, variables: Mapping[str, str], reached: str, *commands: str) -> Step:
    known = {
        one.typed
        for page in PAGES
        for snippet in snippets(page)
        if snippet.kind == "console"
        for one in snippet.commands
    }
    began = time.monotonic()
    for command in commands:
        _expect(command in known or command.removesuffix(" --scripts") in known, f"{command} stands in a document")
        words = command.split()[1:]
        confirmed = ["--yes"] if words[0] == "restore" else []  # at a terminal it asks
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words, *confirmed],
            cwd=repository.path,
            env=clean_environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        well = (0, 1) if words == ["check"] else (0,)  # what else is on this machine may not be well
        _expect(done.returncode in well, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return Step(reached, "; ".join(f"`{command}`" for command in commands), time.monotonic() - began)


def _proposed(repository: Repository, github: StandIn, directory: Path) -> Step:
    """The first pull request, and what the workflow does for it."""
    base = repository.git("rev-parse", "main")
    head = repository.branch(
        "change", {f"{FOLDER}/{NEXT}/migration.sql": _shop(f"prisma/migrations/{NEXT}/migration.sql")}
    )
    github.state.heads[PULL] = head
    merge = repository.merged(head)
    runner = Runner(directory, github, repository.checkout(directory / "workspace", merge))
    began = time.monotonic()
    ran = runner.run("pull_request", pull_request(PULL, base, head), merge, _inputs(repository.path), process=True)
    seconds = time.monotonic() - began
    _expect(ran.exit_code == 0, ran.said)
    _expect(ran.outputs.get("outcome") == "passed", str(ran.outputs))
    _expect(NEXT in next(iter(github.state.comments.values()))["body"], "the comment names the migration")
    return Step("first pull request validated", f"the workflow that `init` wrote, `{WORKFLOW}`", seconds)


def _inputs(directory: Path) -> dict[str, str]:
    """As the written workflow gives them to the Action."""
    jobs: Mapping[str, Any] = yaml.safe_load((directory / WORKFLOW).read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"] if "locktender@" in step.get("uses", "")]
    return {key: str(value) for key, value in steps[0].get("with", {}).items()}


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise Stumbled(what)
