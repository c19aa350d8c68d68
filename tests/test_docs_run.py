"""Every snippet of the documents is run, here or by the test that its note names, or checked by what reads it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import embedded_binaries
from operations.database_url import parse_database_url
from operations.secret import Secret
from operations.settings_file import load

from .conftest import Server, missing, start
from .documents.beginning import beginning
from .documents.comparing import Comparison
from .documents.machine import machine
from .documents.shell import Shell, warmed
from .documents.snippets import NOTES, PAGES, ROOT, Snippet, snippets

REFERENCE = ROOT / "docs" / "reference.md"
"""Typed by campaign/test_reference.py, as it is generated, and has no notes."""
ALL = {page: list(snippets(page)) for page in PAGES}
HERE = {page: [one for one in ALL[page] if one.run_by is None] for page in PAGES if page != REFERENCE}
TYPED = [page for page in HERE if any(one.kind == "console" for one in HERE[page])]
ALWAYS = {ROOT / "README.md"}
"""Typed by every test run; the others, which are a hundred commands more, by the long one."""
AS_A_SERVER = {ROOT / "docs" / "guide.md", ROOT / "docs" / "how-to" / "rotating-secrets.md"}
"""Typed on a machine of its own, which they make accounts on and call app.example.com."""
URL = "postgresql://app:secret@localhost:5432/app"
SECRETS = {
    "DATABASE_URL": URL,
    "NEW_DATABASE_URL": URL,
    "SSH_PRIVATE_KEY": "k",
    "SSH_KNOWN_HOSTS": "h",
    "LOCKTENDER_SIGNING_KEY": "s" * 32,
    "TELEGRAM_ADDRESS": "tgram://1:t/2",
    "MAIL_ADDRESS": "mailtos://u:p@example.com",
}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def of_kind(*kinds: str) -> list[Snippet]:
    return [one for page in PAGES for one in ALL[page] if one.kind in kinds]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warmed(tmp_path_factory.mktemp("warm")) as path:
        yield path


@pytest.fixture
def typed(request: pytest.FixtureRequest, page: Path, tmp_path: Path) -> Iterator[Shell]:
    """A shell in which a page can be typed."""
    with ExitStack() as stack:
        if page not in AS_A_SERVER:
            server, programs = (request.getfixturevalue(name) for name in ("server18", "programs"))
            yield stack.enter_context(beginning(tmp_path, server, programs))
            return
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lt-docs-", ignore_cleanup_errors=True)))
        place.chmod(0o755)  # there are other users
        on = stack.enter_context(machine(place))
        server = stack.enter_context(contextmanager(start)(embedded_binaries(), 18))
        programs = stack.enter_context(warmed(tmp_path, on))
        yield stack.enter_context(beginning(place, server, programs, on))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page", [pytest.param(one, id=name(one), marks=[] if one in ALWAYS else pytest.mark.campaign) for one in TYPED]
)
def test_what_a_document_types_does_what_it_shows(page: Path, typed: Shell) -> None:
    comparison = Comparison()
    for snippet in HERE[page]:
        if "file" in snippet.notes:
            typed.put(snippet.notes["file"], snippet.text)
        for command in snippet.commands:
            if re.search(r"\bjq\b", command.typed) and shutil.which("jq") is None:
                missing("jq")
            words = comparison.typed(command.typed)
            answers = snippet.notes.get("answers", "").split()
            code, said = typed.run_until_it_speaks(words) if command.goes_on else typed.run(words, answers)
            told = f"{snippet}: $ {command.typed}\n" + "\n".join(said)
            assert code in command.exit_codes, f"exit {code} in place of {command.exit_codes}\n{told}"
            different = comparison.difference(command.shown, said) if command.shown else None
            assert different is None, f"{different}\n\n{told}"


def test_what_is_run_by_another_test_is_read_by_that_test() -> None:
    marked = [one for page in PAGES for one in ALL[page] if one.run_by is not None]
    assert [str(one) for one in marked if not is_read(one)] == []
    assert len(marked) > 10


def is_read(snippet: Snippet) -> bool:
    """By the fixture ``documented``; of a script, each command is a line."""
    place, _, test = str(snippet.run_by).partition("::")
    text = (ROOT / place).read_text()
    if not test:
        return {one.typed.partition("#")[0].strip() for one in snippet.commands} <= set(text.splitlines())
    functions = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef) and one.name == test]
    used = (node.id for one in functions for node in ast.walk(one) if isinstance(node, ast.Name))
    return "documented" in used


@pytest.mark.parametrize(
    ("command", "by", "read"),
    [
        ("make test   # all", ".ci/run", True),
        ("make demo", ".ci/run", False),
        ("true", "tests/test_ledger.py::test_the_role_of_the_documents_can_work_and_cannot_rewrite_the_log", True),
        ("true", "tests/test_docs_run.py::test_every_note_is_one_that_is_understood", False),
        ("true", "tests/test_docs_run.py::test_that_there_is_not", False),
    ],
)
def test_a_mark_that_is_not_true_would_be_found(command: str, by: str, read: bool) -> None:
    assert is_read(Snippet(PAGES[0], 1, "console", f"$ {command}\n", {"run by": by})) == read


def test_every_note_is_one_that_is_understood() -> None:
    """One that says no more than that something is not run is none."""
    assert [str(one) for page in PAGES for one in ALL[page] if not set(one.notes) <= NOTES] == []


def test_every_snippet_is_of_a_kind_that_is_run_or_checked() -> None:
    checked = {"console", "toml", "yaml", "json", "sql"}
    others = [one for page in PAGES for one in ALL[page] if one.kind not in checked and one.run_by is None]
    assert [str(one) for one in others if one.page.name != "architecture.md"] == []  # it has a picture of letters


@pytest.mark.parametrize("snippet", of_kind("toml"), ids=str)
def test_configuration_is_valid(snippet: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "locktender.toml"
    path.write_text(snippet.text)
    for secret in re.findall(r'"file:([^/"]+)"', snippet.text):
        (tmp_path / secret).write_text("secret")
    assert load(path, SECRETS).environments


def test_sql_is_a_migration_that_its_page_deploys_or_an_example_that_its_rule_looks_at() -> None:
    others = [one for one in of_kind("sql") if one.run_by is None and "file" not in one.notes]
    assert {one.page.parent.name for one in others} == {"rules"}  # see test_rules.py
    assert all(one.page in TYPED for one in of_kind("sql") if "file" in one.notes)


def test_the_role_that_the_guide_makes_owns_its_database_and_may_create_others(
    server18: Server, documented: list[Snippet], inline: list[str]
) -> None:
    (guide,), (allowed,) = documented, inline
    name = f"docs_{uuid.uuid4().hex[:8]}"
    role, owned = (one.replace(" app", f" {name}") for one in guide.text.split(";")[:2])
    with server18.superuser().session() as session:
        session.execute(role)
        session.execute(owned)
        with PostgresDatabase(parse_database_url(server18.url(name, name, Secret("…")))).session() as theirs:
            theirs.execute("CREATE TABLE t ()")
            theirs.execute(f"CREATE DATABASE {name}_other")
            theirs.execute(f"DROP DATABASE {name}_other")
        session.execute(f"ALTER ROLE {name} NOCREATEDB")
        session.execute(allowed.replace(" app ", f" {name} "))
        assert session.rows("SELECT rolcreatedb FROM pg_roles WHERE rolname = %s", (name,)) == [(True,)]
        session.execute(f"DROP DATABASE {name}")
        session.execute(f"DROP ROLE {name}")


LABELLED = """
mount --bind "$2" /srv
mkdir -p /srv/backups/app/one
chcon -R system_u:object_r:var_t:s0 /srv/backups
eval "$1"
stat -c '%n %C' /srv/backups /srv/backups/app /srv/backups/app/one
"""
"""The label is looked at, not what SELinux makes of it, which few machines have."""


def test_a_directory_for_backups_gets_the_label_that_the_guide_types(inline: list[str], tmp_path: Path) -> None:
    if os.getuid() != 0:
        missing("The right to mount")
    (typed,) = inline
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-euc", LABELLED, "bash", typed, tmp_path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "/srv/backups system_u:object_r:var_t:s0",
        "/srv/backups/app system_u:object_r:container_file_t:s0",
        "/srv/backups/app/one system_u:object_r:container_file_t:s0",
    ], done.stderr


@pytest.mark.parametrize("snippet", of_kind("json"), ids=str)
def test_json_is_an_answer_as_the_contract_has_it(snippet: Snippet) -> None:
    for line in snippet.text.splitlines():
        assert set(json.loads(line)) == {"ok", "command", "environment", "result", "error"}


def workflow(text: str) -> dict[str, Any] | None:
    """What a snippet of a workflow is part of; ``None`` for what is none: a Compose file, which Docker reads."""
    data = yaml.safe_load(text)
    if isinstance(data, dict) and "jobs" in data:
        return data if True in data else {"on": "pull_request", **data}  # YAML 1.1 reads on as true
    if isinstance(data, dict) and "steps" not in data:
        return None
    job = {"steps": data} if isinstance(data, list) else data
    return {"on": "pull_request", "permissions": {}, "jobs": {"one": {"runs-on": "ubuntu-latest", **job}}}


def test_workflows_give_the_action_only_inputs_that_there_are() -> None:
    declared = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    wholes = filter(None, (workflow(snippet.text) for snippet in of_kind("yaml")))
    steps = [step for whole in wholes for job in whole["jobs"].values() for step in job["steps"]]
    given = [step.get("with", {}) for step in steps if "/locktender@" in step.get("uses", "")]
    assert any(given)
    assert {name for one in given for name in one} <= set(declared)


def test_workflows_are_what_github_takes(tmp_path: Path) -> None:
    paths = []
    for number, snippet in enumerate(of_kind("yaml")):
        whole = workflow(snippet.text)
        if whole is None:
            assert snippet.run_by, snippet
            continue
        paths.append(tmp_path / f"{number}.yml")
        paths[-1].write_text(yaml.safe_dump(whole).replace("true:", "on:"))
    assert paths
    linter = str(Path(sys.executable).parent / "actionlint")
    done = subprocess.run(
        [linter, "-shellcheck=", "-pyflakes=", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


OTHERS = {
    "could not serialize",
    'relation "…" already exists',
    'column "…" does not exist',
    "password authentication failed",
    "Unable to resolve action",
}
"""What PostgreSQL and GitHub say."""


def test_the_messages_that_how_tos_name_are_said() -> None:
    said = list(messages())
    quoted = {text for page in PAGES if page.parent.name == "how-to" for text in symptoms(page.read_text())} - OTHERS
    assert len(quoted) > 5
    assert [text for text in quoted if not any(says(text, one) for one in said)] == []


def symptoms(text: str) -> Iterator[str]:
    """What is quoted in the left column of the table at the end of a how-to, if it is a sentence."""
    rows = text[text.index("## If it is not so") :].splitlines() if "## If it is not so" in text else []
    yield from (
        quote for row in rows if row.startswith("| ") for quote in re.findall("`([^`]+ [^`]+)`", row.split(" | ")[0])
    )


def messages() -> Iterator[str]:
    """Every text in the program, with ``…`` where something is put in."""
    for folder in ("operations", "action", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.sub(r"\{\w*\}", "…", node.value)
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)


def says(quoted: str, message: str) -> bool:
    return quoted.rstrip("…").strip() in message


def test_a_document_that_shows_something_else_would_be_found() -> None:
    comparison = Comparison()
    shown = ["id                       size", "20240702T101500Z-1a2b3c  21.8 kB"]
    said = ["id   size", "20261126T171320Z-3a870f  1.2 MB"]
    assert comparison.difference(shown, said) is None
    assert comparison.typed("show 20240702T101500Z-1a2b3c") == "show 20261126T171320Z-3a870f"
    assert comparison.difference(["20240702T101500Z-1a2b3c"], ["20261126T171320Z-ffffff"]) is not None
    assert comparison.difference(["2 applied"], ["3 applied"]) is not None
    assert comparison.difference(["a", "…", "d"], ["a", "b", "c", "d"]) is None
    assert comparison.difference(["a"], ["a", "b"]) is not None
    assert comparison.difference(["a", "b"], ["a"]) is not None
