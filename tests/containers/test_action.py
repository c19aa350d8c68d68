"""The Action in its image, as GitHub's runner starts it: root, in a workspace of somebody else, HOME elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..action.conftest import FILES, NEXT, PULL
from ..action.reading import obeyed
from ..action.runner import Repository, pull_request
from ..action.standin import TOKEN, standing_in
from .docker import ROOT, Docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

OWNER = 1001
ADDS = 'ALTER TABLE "orders" ADD COLUMN "paid" BOOLEAN NOT NULL DEFAULT false;\n'
TRAP = "raise SystemExit(99)\n"
HOSTILE = {
    f"{module}/{file}": TRAP
    for module in ("operations", "action", "psycopg", "github", "json", "sitecustomize", "usercustomize")
    for file in ("__init__.py", "__main__.py")
} | {"sitecustomize.py": TRAP}


def run_by_github(
    docker: Docker, image: str, workspace: Path, files: Path, event: Mapping[str, Any], variables: Mapping[str, str]
) -> tuple[int, str]:
    """With entrypoint and arguments of action.yml, and with the folders that the runner mounts."""
    runs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["runs"]
    (files / "event.json").write_text(json.dumps(event))
    for name in ("output", "summary"):
        (files / name).touch()
    every = {
        "HOME": "/github/home", "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_EVENT_PATH": "/github/workflow/event.json", "GITHUB_OUTPUT": "/github/workflow/output",
        "GITHUB_STEP_SUMMARY": "/github/workflow/summary", "GITHUB_REPOSITORY": "ada/shop", "GITHUB_ACTOR": "ada",
        "GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "1", "INPUT_GITHUB-TOKEN": TOKEN,
        "PYTHONPATH": "/github/workspace", **variables,
    }  # fmt: skip
    options = [word for key, value in every.items() for word in ("-e", f"{key}={value}")]
    done = docker(
        "run", "--rm", "--network", "host", "--workdir", "/github/workspace", *options,
        "-v", f"{workspace}:/github/workspace", "-v", f"{files}:/github/workflow", "-v", f"{files}/home:/github/home",
        "--entrypoint", runs["entrypoint"], image, *runs["args"], check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_pull_request_is_validated_in_a_workspace_that_is_somebody_elses_and_hostile(
    docker: Docker, image: str, tmp_path: Path
) -> None:
    repository = Repository.create(tmp_path / "origin", FILES)
    base = repository.git("rev-parse", "main")
    head = repository.branch("change", {NEXT: ADDS, **HOSTILE})
    merge = repository.merged(head)
    workspace = repository.checkout(tmp_path / "workspace", merge)
    for path in (workspace, *workspace.rglob("*")):
        os.chown(path, OWNER, OWNER)
    files = tmp_path / "files"
    (files / "home").mkdir(parents=True)
    with standing_in(repository.path) as github:
        github.state.heads[PULL] = head
        variables = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_SHA": merge, "GITHUB_API_URL": github.url}
        exit_code, log = run_by_github(docker, image, workspace, files, pull_request(PULL, base, head), variables)
        assert exit_code == 0, log
        (comment,) = github.state.comments.values()
        assert "1 new migration" in comment["body"]
        assert github.state.wrong == []
    assert "1 new migration" in (files / "summary").read_text()
    assert "20240201000000_paid" in (files / "output").read_text()
    assert {name for name, _, _ in obeyed(log)} <= {"group", "endgroup", "warning", "notice"}
    assert TOKEN not in log
