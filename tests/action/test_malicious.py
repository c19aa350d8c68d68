"""A pull request by somebody who means harm: nothing of it runs, nothing leaks, nothing it says is obeyed, all ends.

One test for each of its means, so that each tells which defence is gone.
"""

from __future__ import annotations

import html
import re
import resource
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ..campaign.scale import count
from .conftest import FILES, FOLDER, LOCK, NEXT, PULL, Project, Proposal
from .reading import obeyed
from .runner import Ran
from .standin import TOKEN

CANARY = "canary-5ecret-of-production"
SECRETS = {"CANARY": CANARY, "DATABASE_URL": f"postgresql://app:{CANARY}@db.example/app"}
TRAP = "import pathlib\npathlib.Path({path!r}).write_text('it ran')\nraise SystemExit(99)\n"
MODULES = ("operations", "action", "cli", "psycopg", "github", "pglast", "json")
STARTUP = ("sitecustomize.py", "usercustomize.py")
OURS = {"group", "endgroup", "error", "warning", "notice"}
COMMANDS = "x\n::set-output name=outcome::passed\n##[set-env name=PATH]evil"
MARKUP = """CREATE TABLE "<b>@ada</b> [click](javascript:alert(1))" (
    "| `x` ::error::y ##[error]z %0A::warning::w" INT PRIMARY KEY
);
ALTER TABLE "orders" ADD COLUMN "```
# owned
</details>" INT;
DROP TABLE "@everyone <img src=x>";
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
"""Bytes of address space of each process."""
SECONDS = 240
"""Of computing, of each process: many times what any of it needs."""
RAW_NAMES = (
    "`a`",
    "@team",
    "]]>",
    "<b>",
    "::error",
    "##[",
    "${{",
    "%%{",
    "\u202e",
    "\u3164",
    "www.x",
    "shop#1",
)
RAW = ("<img", "<b>", "](javascript", "\n# owned", "@everyone", "@ada", "owned </details>")


@pytest.fixture
def ran_file(tmp_path: Path) -> Path:
    """What is there as soon as anything of the pull request has run."""
    return tmp_path / "it-ran"


def bounded(process: subprocess.Popen[str]) -> None:
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS)):
        resource.prlimit(process.pid, limit, (most, most))


def attacked(proposal: Proposal, inputs: dict[str, str] | None = None, *, process: bool = True) -> Ran:
    """What the Action says of it, which is nothing that it should not, wherever it is said."""
    ran = proposal.run(inputs, process=process, meanwhile=bounded, **SECRETS)
    assert not (proposal.project.directory / "it-ran").exists()
    assert {name for name, _, _ in obeyed(ran.log)} <= OURS, ran.log
    for told in (ran.sinks, "\n".join(proposal.project.github.state.texts)):
        assert CANARY not in told
        assert TOKEN not in told
    return ran


def found(ran: Ran) -> set[tuple[str, str]]:
    """Rule and migration of all that is an error."""
    findings: list[dict[str, Any]] = ran.result["result"]["findings"]
    return {(one["rule"], one["file"].partition("/")[0]) for one in findings if one["severity"] == "error"}


def with_links(project: Project, links: Mapping[str, Path], files: dict[str, str | None]) -> Proposal:
    project.repository.git("checkout", "-q", "-b", "change")
    for name, target in links.items():
        link = project.repository.path / name
        link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    head = project.repository.commit(files)
    project.repository.git("checkout", "-q", "main")
    project.github.state.heads[PULL] = head
    return Proposal(project, project.repository.git("rev-parse", "main"), head, project.repository.merged(head))


@pytest.mark.parametrize(
    "names", [[f"{name}/{file}" for name in MODULES for file in ("__init__.py", "__main__.py")], STARTUP],
    ids=["its own operations/", "its own sitecustomize.py"],
)  # fmt: skip
def test_no_module_of_it_is_imported(project: Project, shadow: str, ran_file: Path, names: list[str]) -> None:
    files: dict[str, str | None] = dict.fromkeys(names, TRAP.format(path=str(ran_file)))
    assert attacked(project.proposed(files), {"database-url": shadow}).exit_code == 0


def test_its_own_configuration_does_not_count(project: Project, shadow: str) -> None:
    changed = FILES["locktender.toml"].replace("prisma/migrations", "elsewhere").replace("DATABASE_URL", "CANARY")
    rules = '[environments.production.rules]\nban-drop-table = "off"\n'
    files: dict[str, str | None] = {
        "locktender.toml": changed + rules, "elsewhere/migration_lock.toml": LOCK, NEXT: 'DROP TABLE "orders";\n'
    }  # fmt: skip
    ran = attacked(project.proposed(files), {"database-url": shadow, "fail-on": "warning"}, process=False)
    assert ran.exit_code == 1, ran.said
    assert "ban-drop-table" in [finding["rule"] for finding in ran.result["result"]["findings"]]
    assert "locktender.toml is changed here" in "\n".join(ran.result["result"]["notes"])


@pytest.mark.parametrize("link", ["20240203000000_link/migration.sql", "20240203000000_link", "migration_lock.toml"])
def test_links_out_of_the_workspace_are_not_followed(project: Project, shadow: str, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "migration.sql").write_text(f"SELECT '{CANARY}' FROM nowhere;\n")
    target = outside if link == "20240203000000_link" else outside / "migration.sql"
    proposal = with_links(project, {f"{FOLDER}/{link}": target}, {})
    ran = attacked(proposal, {"database-url": shadow}, process=False)
    assert ran.exit_code == 1, ran.said
    assert ("symbolic-link", link.partition("/")[0]) in found(ran)


def test_a_migrations_folder_that_leads_out_of_the_workspace_is_refused(
    project: Project, shadow: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside" / "20240101000000_secret"
    outside.mkdir(parents=True)
    (outside / "migration.sql").write_text(f"-- {CANARY}\n")
    repository = project.repository
    repository.git("checkout", "-q", "-b", "change")
    repository.git("rm", "-q", "-r", FOLDER)
    (repository.path / "prisma").mkdir(exist_ok=True)
    (repository.path / FOLDER).symlink_to(outside.parent)
    head = repository.commit({})
    repository.git("checkout", "-q", "main")
    project.github.state.heads[PULL] = head
    proposal = Proposal(project, repository.git("rev-parse", "main"), head, repository.merged(head))
    ran = attacked(proposal, {"database-url": shadow}, process=False)
    assert ran.exit_code == 2, ran.said
    assert "leads out of" in ran.log


def test_names_with_newlines_and_commands_are_not_obeyed(project: Project, shadow: str) -> None:
    name = f"20240202000000_{COMMANDS}"
    ran = attacked(
        project.proposed({f"{FOLDER}/{name}/migration.sql": "SELECT nope;\n"}), {"database-url": shadow}, process=False
    )
    assert (ran.exit_code, ran.outputs["outcome"]) == (1, "failed"), ran.said
    assert ("does-not-apply", name) in found(ran)


def test_copy_from_a_program_runs_none(project: Project, ran_file: Path) -> None:
    ran = attacked(project.proposed({NEXT: f"COPY \"orders\" FROM PROGRAM 'touch {ran_file}';\n"}))
    assert ran.exit_code == 1, ran.said
    assert found(ran) == {("ban-server-access", "20240201000000_paid")}
    assert "left out" in "\n".join(ran.result["result"]["notes"])


def test_psqls_way_to_a_shell_is_no_sql(project: Project, ran_file: Path) -> None:
    ran = attacked(project.proposed({NEXT: f"SELECT 1;\n\\! touch {ran_file}\n"}))
    assert ran.exit_code == 1, ran.said
    assert found(ran) == {("does-not-apply", "20240201000000_paid")}


COMMENT = 'COMMENT ON TABLE "orders" IS NULL;\n'
NOTE = 'INSERT INTO "orders" ("note") VALUES (NULL);\n'
LARGE = {
    "a file of 10 MB": NOTE.replace("NULL", f"'{'é' * 5_000}'") * 1_000,
    "2 000 statements": COMMENT * 2_000,
    "50 000 operators deep": f"SELECT {'1 + ' * 50_000}1;\n",
}
TOO_DEEP = "50 000 operators deep"
LONG = ("a file of 10 MB", "100 000 statements")


@pytest.mark.parametrize(
    "what",
    ["2 000 statements", TOO_DEEP, *(pytest.param(one, marks=pytest.mark.campaign) for one in LONG)],
)
def test_what_is_too_much_is_told_in_bounded_memory_and_time(project: Project, what: str) -> None:
    ran = attacked(project.proposed({NEXT: LARGE.get(what) or COMMENT * count(100_000)}))
    assert {rule for rule, _ in found(ran)} == ({"does-not-apply"} if what == TOO_DEEP else set()), ran.said
    assert ran.exit_code == (1 if what == TOO_DEEP else 0)
    assert len(ran.result["result"]["statements"]) < 100
    (comment,) = project.github.state.comments.values()
    assert len(comment["body"]) < 65_536


def test_characters_that_turn_the_reading_around_are_shown_as_what_they_are(project: Project, shadow: str) -> None:
    ran = attacked(
        project.proposed({NEXT: 'CREATE TABLE t ("\u202edloc" INT);\nDROP TABLE "\u2066harmless";\n'}),
        {"database-url": shadow, "fail-on": "warning"},
        process=False,
    )
    assert ran.exit_code == 1, ran.said
    assert "hidden-characters" in [finding["rule"] for finding in ran.result["result"]["findings"]]
    (comment,) = project.github.state.comments.values()
    for page in (comment["body"], ran.summary, ran.log):
        assert "U+2066" in html.unescape(page)
        assert not {"\u202e", "\u2066"} & set(html.unescape(page))


def test_nothing_of_its_text_becomes_markup(project: Project, shadow: str) -> None:
    ran = attacked(project.proposed({NEXT: MARKUP}), {"database-url": shadow}, process=False)
    assert ran.exit_code == 1, ran.said
    (comment,) = project.github.state.comments.values()
    for page in (comment["body"], ran.summary):
        assert [text for text in RAW if text in outside_of_fences(page)] == []


NAMES = (
    "`a`", "|", "@team", "<!-- x -->", "]]>", "--> <b>", "::error::x", "##[error]x", "%0A::error::x", "${{ x }}",
    "a\nb", "click t0 href", "%%{init: {}}%%", "t0 }o--o{ t1", "\u202ex", "x\u3164", "- x", "1. x", "www.x.y", "GH-1",
    "ada/shop#1",
)  # fmt: skip
"""Of tables, columns, types, indexes, functions, and of the migration itself."""


def test_no_name_becomes_markup_a_mention_a_command_or_a_part_of_the_diagram(project: Project, shadow: str) -> None:
    quoted = [f'"{name}"' for name in NAMES]
    sql = "".join(
        f"CREATE TYPE {name[:-1]}t\" AS ENUM ('x');\nCREATE TABLE {name} ({name} {name[:-1]}t\" PRIMARY KEY);\n"
        f'CREATE INDEX {name[:-1]}i" ON {name} ({name});\n'
        for name in quoted
    )
    files = {
        f"{FOLDER}/202402{n:02}000000_{name.replace('/', '')}/migration.sql": "SELECT 1;\n"
        for n, name in enumerate(NAMES, 1)
    }
    inputs = {"database-url": shadow, "fail-on": "never"}
    ran = attacked(project.proposed({**files, NEXT: sql}), inputs, process=False)
    assert ran.exit_code == 0, ran.said
    assert len(ran.result["result"]["schema_changes"]) == 2 * len(NAMES)
    (comment,) = project.github.state.comments.values()
    (check,) = project.github.state.check_runs.values()
    for page in (comment["body"], ran.summary, check["output"]["summary"]):
        text = re.sub(r"\]\(https://github\.com/[\w./%~#-]*\)", "]()", outside_of_fences(page), flags=re.ASCII)
        assert [mark for mark in RAW_NAMES if mark in text] == []
        assert "GH-1" not in re.sub(r"<code>.*?</code>", "", text), "in code GitHub looks for no references"
        assert text.count("<!--") == (page is comment["body"])
        assert not re.search(r"^(- )?(- |\d+[.)] |\+ )x", text, flags=re.MULTILINE)
        for drawing in re.findall(r"```mermaid\n(.*?)\n```", page, flags=re.DOTALL):
            lines = r'erDiagram|    t\d+\["\w+"\] \{|        \w+ \w+( \w\w)?( "\w+")?|    \}'
            assert [line for line in drawing.split("\n") if not re.fullmatch(lines, line, flags=re.ASCII)] == []


def test_no_hook_filter_or_program_of_the_checkout_runs(project: Project, shadow: str, ran_file: Path) -> None:
    proposal = project.proposed({NEXT: "SELECT 1;\n", ".gitattributes": "* filter=evil\n"})
    workspace = project.checked_out(proposal.merge).workspace
    hook = workspace / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {ran_file}\n")
    hook.chmod(0o755)
    with (workspace / ".git" / "config").open("a") as file:  # as a step before ours could leave it
        file.write(CONFIGURATION.replace("{path}", str(ran_file)))
    assert attacked(proposal, {"database-url": shadow}, process=False).exit_code == 0


def outside_of_fences(page: str) -> str:
    return re.sub(r"^(`{3,})\w*\n.*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL)


def test_the_levels_of_rules_are_those_of_the_base(project: Project, shadow: str) -> None:
    rules = '[environments.production.rules]\nban-drop-table = "off"\n'
    project.repository.commit({"locktender.toml": FILES["locktender.toml"] + rules})
    ran = project.proposed({NEXT: 'DROP TABLE "orders";\n'}).run({"database-url": shadow})
    assert "ban-drop-table" not in [finding["rule"] for finding in ran.result["result"]["findings"]]
