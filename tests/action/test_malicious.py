"""A pull request by somebody who means harm: nothing of it runs, nothing leaks, nothing it says is obeyed."""

from __future__ import annotations

import re
import resource
import subprocess
from pathlib import Path

import pytest

from ..campaign.scale import count
from .conftest import FILES, FOLDER, LOCK, NEXT, PULL, Project, Proposal
from .reading import obeyed
from .runner import pull_request
from .standin import TOKEN

CANARY = "canary-5ecret-of-production"
TRAP = "import pathlib\npathlib.Path({path!r}).write_text('it ran')\nraise SystemExit(99)\n"
OURS = {"group", "endgroup", "error", "warning", "notice"}
NAME = "20240202000000_x\n::set-output name=outcome::passed\n##[set-env name=PATH]evil"
SQL = """-- @everyone <img src=x onerror=alert(1)> [click](javascript:alert(1)) #1
CREATE TABLE "<b>@ada</b> | `x` ::error::y ##[error]z %0A::warning::w" ("id" INT PRIMARY KEY, "\u202edloc" TEXT);
ALTER TABLE "```
# owned
</details>" ADD COLUMN "x" INT;
COPY "orders" FROM PROGRAM 'touch {path}';
"""
CONFIGURATION = """
[core]
    repositoryformatversion = 1
    fsmonitor = "touch {path}"
    sshCommand = "touch {path}"
[extensions]
    partialClone = origin
[remote "origin"]
    url = "ext::sh -c touch% {path}"
    promisor = true
[protocol "ext"]
    allow = always
"""
"""Of a checkout in which git runs a program as soon as it looks for something that is not there."""
MEMORY = 1536 * 1024**2
"""Bytes of address space."""
RAW = ("<img", "<b>", "](javascript", "\n# owned", "@everyone", "@ada", "\u202e", '</details>" ADD')


def trap(directory: Path) -> str:
    return TRAP.format(path=str(directory / "it-ran"))


def hostile(project: Project, directory: Path) -> dict[str, str | None]:
    files: dict[str, str | None] = {
        f"{module}/{name}": trap(directory)
        for module in ("operations", "action", "cli", "psycopg", "github", "pglast", "sitecustomize", "usercustomize")
        for name in ("__init__.py", "__main__.py")
    }
    files |= {
        "sitecustomize.py": trap(directory),
        "json.py": trap(directory),
        "locktender.toml": '[environments.evil]\ndatabase_url = "env:CANARY"\nmigrations = "."\nbackup_dir = "/tmp"\n',
        NEXT: SQL.replace("{path}", str(directory / "it-ran")),
        f"{FOLDER}/{NAME}/migration.sql": "SELECT 1;\n",
        ".gitattributes": "* filter=evil\n",
        ".git-hooks-are-not-here": "",
    }
    return files


def test_a_hostile_pull_request_gets_nothing(project: Project, tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.write_text(CANARY)
    links = project.repository.path / FOLDER / "20240203000000_link"
    links.mkdir()
    project.repository.git("checkout", "-q", "-b", "change")
    (links / "migration.sql").symlink_to(secret)
    (project.repository.path / FOLDER / "20240204000000_folder").symlink_to(tmp_path)
    head = project.repository.commit(hostile(project, tmp_path))
    project.repository.git("checkout", "-q", "main")
    project.github.state.heads[PULL] = head
    base = project.repository.git("rev-parse", "main")
    proposal = Proposal(project, base, head, project.repository.merged(head))
    workspace = project.checked_out(proposal.merge).workspace
    hook = workspace / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/it-ran\n")
    hook.chmod(0o755)
    with (workspace / ".git" / "config").open("a") as file:  # as a step before ours could leave it
        file.write(CONFIGURATION.replace("{path}", f"{tmp_path}/it-ran"))

    ran = proposal.run(process=True, CANARY=CANARY, DATABASE_URL=f"postgresql://app:{CANARY}@db.example/app")

    assert ran.exit_code == 1, ran.said
    assert not (tmp_path / "it-ran").exists()
    assert ran.outputs["outcome"] == "failed"
    assert {name for name, _, _ in obeyed(ran.log)} <= OURS, ran.log
    written = "\n".join(project.github.state.texts)
    for told in (ran.sinks, written):
        assert CANARY not in told
        assert TOKEN not in told
    (comment,) = project.github.state.comments.values()
    for page in (comment["body"], ran.summary):
        assert [text for text in RAW if text in outside_of_fences(page)] == []
    assert "symbolic link" in comment["body"]


@pytest.mark.parametrize("many", [2_000, pytest.param(count(100_000), marks=pytest.mark.campaign)])
def test_what_is_too_much_is_told_in_bounded_memory(project: Project, many: int) -> None:
    """100 000 statements, 10 MB in one of them, 50 000 brackets: as the runner starts it, with so much memory."""
    large = f'INSERT INTO "orders" ("note") VALUES (\'{"x" * many * 100}\');\n'
    files: dict[str, str | None] = {
        f"{FOLDER}/20240202000000_many/migration.sql": 'INSERT INTO "orders" ("note") VALUES (NULL);\n' * many,
        f"{FOLDER}/20240203000000_large/migration.sql": large,
        f"{FOLDER}/20240204000000_deep/migration.sql": f"SELECT {'(' * 50_000}1{')' * 50_000};\n",
    }

    def bounded(process: subprocess.Popen[str]) -> None:
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))

    ran = project.proposed(files).run(process=True, meanwhile=bounded)
    assert (ran.exit_code, ran.outputs["outcome"]) == (1, "failed"), ran.said
    found = ran.result["result"]["findings"]
    assert {one["file"].partition("/")[0] for one in found if one["severity"] == "error"} == {"20240204000000_deep"}
    (comment,) = project.github.state.comments.values()
    assert len(comment["body"]) < 65_536


def outside_of_fences(page: str) -> str:
    return re.sub(r"^(`{3,})\w*\n.*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL)


def test_the_pull_requests_own_configuration_does_not_count(project: Project, shadow: str) -> None:
    changed = FILES["locktender.toml"].replace("prisma/migrations", "elsewhere") + '[rules]\nban-drop-table = "off"\n'
    ran = project.proposed(
        {"locktender.toml": changed, "elsewhere/migration_lock.toml": LOCK, NEXT: 'DROP TABLE "orders";\n'}
    ).run({"database-url": shadow, "fail-on": "warning"})
    assert ran.exit_code == 1, ran.said
    assert "ban-drop-table" in [finding["rule"] for finding in ran.result["result"]["findings"]]
    assert "locktender.toml is changed here" in "\n".join(ran.result["result"]["notes"])


def test_the_levels_of_rules_are_those_of_the_base(project: Project, shadow: str) -> None:
    rules = '[environments.production.rules]\nban-drop-table = "off"\n'
    project.repository.commit({"locktender.toml": FILES["locktender.toml"] + rules})
    ran = project.proposed({NEXT: 'DROP TABLE "orders";\n'}).run({"database-url": shadow})
    assert "ban-drop-table" not in [finding["rule"] for finding in ran.result["result"]["findings"]]


def test_a_migrations_folder_that_leads_out_of_the_workspace_is_refused(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "20240101000000_secret"
    outside.mkdir(parents=True)
    (outside / "migration.sql").write_text(f"-- {CANARY}\n")
    repository = project.repository
    repository.git("checkout", "-q", "-b", "change")
    repository.git("rm", "-q", "-r", FOLDER)
    (repository.path / "prisma").mkdir(exist_ok=True)
    (repository.path / FOLDER).symlink_to(outside.parent)
    head = repository.commit({})
    runner = project.checked_out(head)
    project.github.state.heads[PULL] = head
    base = repository.git("rev-parse", "main")
    ran = runner.run("pull_request", pull_request(PULL, base, head), head)
    assert ran.exit_code == 2, ran.said
    assert "leads out of" in ran.log
    assert CANARY not in ran.sinks
