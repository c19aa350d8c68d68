"""What the documents type in a checkout of Locktender: fetched, installed, formatted, written anew, released."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import missing
from ..corpus import BESIDE
from ..documents.shell import Shell, shell
from ..documents.snippets import ROOT, Snippet
from .results import Finding, save
from .scale import scale

HOURS = 3 * 3600
"""Longer than everything takes to be measured."""
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(HOURS if scale() >= 1 else 3600)]

CONFIGURATION = """\
[url "{github}"]
    insteadOf = https://github.com/locktender/locktender
[safe]
    directory = *
[gpg]
    format = ssh
[user]
    signingKey = {key}
"""
MEASURE = "make bench"
WRITTEN = {"docs/benchmarks.json", "docs/benchmarks.md", "docs/reliability.md"}
"""By what measures and what was found, which is another time each time."""


@pytest.fixture
def github(tmp_path: Path) -> Path:
    """A repository that holds this checkout as it stands, with what is not committed."""
    path = tmp_path / "github.git"
    here = ["git", f"--git-dir={path}", f"--work-tree={ROOT}", "-c", "user.name=Ada", "-c", "user.email=a@shop.example"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "As it stands"]):
        subprocess.run([*here, *words], check=True, timeout=60)
    subprocess.run([*here, "config", "core.bare", "true"], check=True, timeout=60)
    return path


@pytest.fixture
def variables(github: Path, tmp_path: Path) -> dict[str, str]:
    """Ada's, who has a key to sign with. Nothing of the checkout that the tests run in is on Python's path."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(CONFIGURATION.format(github=github, key=key))
    results = tmp_path / "results"
    save(Finding("kind of trial", "one", "PostgreSQL 18"), results)
    return {
        "GIT_CONFIG_GLOBAL": str(configuration),
        "PYTHONPATH": "",
        "HOME": os.environ["HOME"],
        "LOCKTENDER_CAMPAIGN_RESULTS": str(results),
        "LOCKTENDER_CORPUS": os.environ.get("LOCKTENDER_CORPUS", str(BESIDE)),
        "BENCH": "" if scale() >= 1 else "--quick --only newcomer",
    }


def test_a_checkout_does_what_the_documents_type_in_it(
    documented: list[Snippet], inline: list[str], github: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    if shutil.which("chromium") is None:
        missing("Chromium")
    guide = [one for one in documented if one.page.name == "guide.md"]
    assert len(guide) == 1
    with shell(tmp_path / "projects", str(Path(sys.executable).parent), variables=variables) as typed:
        types(typed, *guide)
        types(typed, *(one for one in documented if one not in guide), below="locktender")
        assert said(typed, "command -v locktender") == f"{typed.directory}/locktender/.venv/bin/locktender"
        assert said(typed, "python -P -c 'import cli; print(cli.__path__[0])'") == f"{typed.directory}/locktender/cli"
        for command in sorted(inline, key=lambda one: one == MEASURE):
            told = said(typed, command.replace("PART", "newcomer"))
        lacking = [line for line in told.splitlines() if "left out: " in line or "Not measured: " in line]
        if lacking:
            missing(lacking[0])
        changed = {one[3:] for one in said(typed, "git status --porcelain").splitlines()}
        assert {one for one in changed if not one.startswith("docs/pictures/")} <= WRITTEN, (
            "formatted, drawn and written anew, nothing else differs"
        )
    tag = subprocess.run(["git", "-C", github, "cat-file", "-p", "v0.2.0"], capture_output=True, check=True, text=True)
    assert "BEGIN SSH SIGNATURE" in tag.stdout
    same = subprocess.run(["git", "-C", github, "rev-parse", "v0", "v0.2.0^{}"], capture_output=True, check=True)
    assert len(set(same.stdout.split())) == 1


def types(typed: Shell, *documented: Snippet, below: str = ".") -> None:
    typed.run(f"cd {below}")
    for snippet in documented:
        for command in snippet.commands:
            code, lines = typed.run(command.typed)
            assert code == 0, f"{snippet}: $ {command.typed}\n" + "\n".join(lines)


def said(typed: Shell, command: str) -> str:
    code, lines = typed.run(command, timeout=HOURS)
    assert code == 0, lines
    return "\n".join(lines)
