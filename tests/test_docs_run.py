"""Every snippet of the documents is run, or checked by what reads it; each that is not says why."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pglast
import pytest
import yaml

from operations.adapters.throwaway import embedded_binaries
from operations.quoting import identifier
from operations.settings_file import load

from .conftest import Server
from .documents.comparing import Comparison
from .documents.shell import Shell, shell, warmed
from .documents.snippets import Snippet, snippets

ROOT = Path(__file__).resolve().parents[1]
SHOP = ROOT / "examples" / "shop"
LATER = "20240514"
"""Migrations of the shop from here on are not in the project that a document begins with."""
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md")],
    key=lambda page: page.relative_to(ROOT),
)
ONLY_PARSED = {ROOT / "docs" / "reference.md"}
"""Generated from the verbs' own examples, which test_docs.py understands as the program would."""
ALL = {page: list(snippets(page)) for page in PAGES}
TYPED = [page for page in PAGES if page not in ONLY_PARSED and any(one.kind == "console" for one in ALL[page])]
ALWAYS = {ROOT / "README.md", ROOT / "docs" / "how-to" / "restore-drill.md"}
"""Typed by every test run; the others, which are a hundred commands more, by the long one."""
NOT_RUN_AT_MOST = 24
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
    with warmed(tmp_path_factory.mktemp("warm")) as ours:
        yield f"{ours}:{embedded_binaries()}:{Path(sys.executable).parent}"


@contextmanager
def beginning(directory: Path, server: Server, programs: str) -> Iterator[Shell]:
    """A shell in the shop's repository, half a year ago, with an empty database."""
    base = server.create(f"docs_{uuid.uuid4().hex[:8]}")
    places = {
        "/srv/backups/app": str(directory / "backups"),
        "/srv/app": str(directory / "app"),
        "/var/log/locktender.log": str(directory / "log"),
    }
    meant = {**places, URL: server.url(base).reveal(), "localhost:5432": f"127.0.0.1:{server.process.port}"}
    called = {
        **{here: there for there, here in places.items()},
        f"127.0.0.1:{server.process.port}": "localhost:5432",
        base: "app",
        "app_owner": "app",
    }
    meant |= {name: name.replace("app", base) for name in ("app_yesterday", "app_drill", "app_new")}
    with shell(directory / "app", programs, meant, called) as typed:
        shutil.copytree(SHOP / "prisma", directory / "app" / "prisma", ignore=_later)
        (directory / "app" / "package.json").write_text('{"name": "app", "devDependencies": {"prisma": "6.19.0"}}\n')
        begun = typed.run(
            f"SHOP={SHOP} && git init -q -b main && git add -A && git commit -qm first && "
            "git update-ref refs/remotes/origin/main main"
        )
        assert begun == (0, [])
        try:
            yield typed
        finally:
            with server.superuser().session() as session:
                for (one,) in session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (base,)):
                    session.execute(f"DROP DATABASE {identifier(str(one))} WITH (FORCE)")


def _later(_: object, names: list[str]) -> list[str]:
    return [one for one in names if one.startswith("20") and one >= LATER]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page", [pytest.param(one, id=name(one), marks=[] if one in ALWAYS else pytest.mark.campaign) for one in TYPED]
)
def test_what_a_document_types_does_what_it_shows(page: Path, server18: Server, programs: str, tmp_path: Path) -> None:
    comparison = Comparison()
    with beginning(tmp_path, server18, programs) as typed:
        for snippet in ALL[page]:
            if snippet.not_run:
                continue
            if "file" in snippet.notes:
                typed.put(snippet.notes["file"], snippet.text)
            for command in snippet.commands if snippet.kind == "console" else ():
                if re.search(r"\bjq\b", command.typed) and shutil.which("jq") is None:
                    continue
                code, said = typed.run(comparison.typed(command.typed))
                told = f"{snippet}: $ {command.typed}\n" + "\n".join(said)
                assert code in command.exit_codes, f"exit {code} in place of {command.exit_codes}\n{told}"
                different = comparison.difference(command.shown, said) if command.shown else None
                assert different is None, f"{different}\n\n{told}"


def test_what_is_not_run_says_why_and_is_little() -> None:
    why = [f"{snippet}: {snippet.not_run}" for page in PAGES for snippet in ALL[page] if snippet.not_run is not None]
    assert [one for one in why if one.endswith(": ")] == []
    assert len(why) <= NOT_RUN_AT_MOST, "\n".join(why)


def test_every_snippet_is_of_a_kind_that_is_run_or_checked() -> None:
    checked = {"console", "toml", "yaml", "json", "sql", "dockerfile", "python"}
    assert [str(one) for page in PAGES for one in ALL[page] if one.kind not in checked | {"text", "diff", ""}] == []


@pytest.mark.parametrize("snippet", of_kind("toml"), ids=str)
def test_configuration_is_valid(snippet: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "locktender.toml"
    path.write_text(snippet.text)
    for secret in re.findall(r'"file:([^/"]+)"', snippet.text):
        (tmp_path / secret).write_text("secret")
    assert load(path, SECRETS).environments


@pytest.mark.parametrize("snippet", [one for one in of_kind("sql") if one.page.parent.name != "rules"], ids=str)
def test_sql_is_read_by_postgresqls_own_parser(snippet: Snippet) -> None:
    pglast.parse_sql(snippet.text)


@pytest.mark.parametrize("snippet", of_kind("json"), ids=str)
def test_json_is_an_answer_as_the_contract_has_it(snippet: Snippet) -> None:
    for line in snippet.text.splitlines():
        assert set(json.loads(line)) == {"ok", "command", "environment", "result", "error"}


@pytest.mark.parametrize("snippet", of_kind("python"), ids=str)
def test_python_can_be_run(snippet: Snippet) -> None:
    exec(compile(snippet.text, str(snippet), "exec"), {})


@pytest.mark.parametrize("snippet", of_kind("dockerfile"), ids=str)
def test_a_dockerfile_has_instructions_only(snippet: Snippet) -> None:
    lines = [line for line in snippet.text.splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("FROM ")
    assert [
        line for line in lines if not re.match("(FROM|WORKDIR|COPY|ENV|RUN|ENTRYPOINT|CMD|USER|HEALTHCHECK) ", line)
    ] == []


def workflow(text: str) -> dict[str, Any] | None:
    """What a snippet of a workflow is part of; ``None`` for what is none: a Compose file."""
    data = yaml.safe_load(text)
    if isinstance(data, dict) and "jobs" in data:
        return data if True in data else {"on": "pull_request", **data}  # YAML 1.1 reads on as true
    if isinstance(data, dict) and "steps" not in data:
        return None
    job = {"steps": data} if isinstance(data, list) else data
    return {"on": "pull_request", "permissions": {}, "jobs": {"one": {"runs-on": "ubuntu-latest", **job}}}


def test_workflows_are_what_github_takes_and_compose_files_what_compose_takes(tmp_path: Path) -> None:
    paths = []
    for number, snippet in enumerate(of_kind("yaml")):
        whole = workflow(snippet.text)
        if whole is None:
            data = yaml.safe_load(snippet.text)
            assert set(data) <= {"services", "volumes"}, snippet
            assert all(isinstance(service, dict) for service in data["services"].values()), snippet
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
