"""Workflows that others copy, and our own: valid, least permissions, nothing that moves, no way in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
OWN = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = [*EXAMPLES, *OWN]
BIN = Path(sys.executable).parent
NEEDED = {
    "validate": {"contents": "read", "pull-requests": "write", "checks": "write"},
    "deploy": {"contents": "read", "deployments": "write"},
    "backup": {"contents": "read"},
    "check": {"contents": "read"},
    "report": {"contents": "read"},
}
"""facts of docs/action.md, "Permissions": what a job with the command may, and nothing else."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_zizmor_has_nothing_to_say() -> None:
    files = [*map(named, WORKFLOWS), "action.yml"]
    done = run(str(BIN / "zizmor"), "--offline", "--persona", "pedantic", "--config", ".github/zizmor.yml", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in files:
        assert f"completed {name}" in done.stderr


def test_actionlint_has_nothing_to_say() -> None:
    done = run(str(BIN / "actionlint"), "-shellcheck=", "-pyflakes=", *map(named, WORKFLOWS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_would_find_something(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: actions/checkout@v4\n"
        "      - run: echo ${{ github.event.pull_request.title }} ${{ nothing.at.all }}\n"
    )
    assert run(str(BIN / "zizmor"), "--offline", str(wrong)).returncode != 0
    assert run(str(BIN / "actionlint"), "-shellcheck=", "-pyflakes=", str(wrong)).returncode != 0


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_each_job_may_what_its_command_needs_and_no_more(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    for job in jobs(path).values():
        (step,) = (one for one in job["steps"] if one["uses"].startswith("locktender/"))
        command = step["with"]["command"]
        assert job["permissions"] == NEEDED["deploy" if "deploy" in command else command]
        assert job["timeout-minutes"]


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_gives_only_inputs_that_there_are(path: Path) -> None:
    declared = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    steps = [step for job in jobs(path).values() for step in job["steps"]]
    given = [name for step in steps if not step["uses"].startswith("actions/") for name in step["with"]]
    assert given
    assert [name for name in given if name not in declared] == []


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem in ("deploy", "backup")], ids=named)
def test_what_changes_an_environment_is_never_cancelled_nor_takes_a_waiting_deploys_place(path: Path) -> None:
    """Of the runs that wait in a group GitHub keeps the newest only, so that deploys have one for themselves."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    group = "production-backup" if path.stem == "backup" else "production-${{ inputs.command || 'deploy' }}"
    assert workflow["concurrency"] == {"group": group, "cancel-in-progress": False}


def test_the_check_is_reported_for_the_merge_queue_too() -> None:
    text = (ROOT / "examples" / "workflows" / "pull-request.yml").read_text(encoding="utf-8")
    assert "\n  merge_group:\n" in text


def test_the_page_links_to_every_example() -> None:
    page = (ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES if f"(../examples/workflows/{path.name})" not in page] == []
