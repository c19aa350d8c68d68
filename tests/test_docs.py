"""What the documents say can be typed, can be typed; what is generated, is up to date; what is linked, is there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from cli.__main__ import NAME, Call, commands
from cli.options import VerbGroup

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.glob("*.md"),
        *DOCS.glob("how-to/*.md"),
        DOCS / "rules" / "README.md",
        *(ROOT / "examples").glob("*/*.md"),
    ]
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(rf"`({NAME} [^`\n{{]+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
AFTERWARDS = {"|", ">", ">>", "<", "&&", ";"}


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def typed(page: Path) -> list[str]:
    """Every line of a console block that is typed, without the prompt."""
    blocks = [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "console"]
    return [line[2:] for text in blocks for line in text.splitlines() if line.startswith("$ ")]


def parsed(line: str) -> click.Context:
    """Understand the words as the program would, up to the point where the verb would begin."""
    words = shlex.split(line, comments=True)
    end = next((i for i, word in enumerate(words) if word in AFTERWARDS), len(words))
    assert words[0] == NAME
    group: click.Group = commands
    context = group.make_context(NAME, words[1:end], obj=Call(words[1:end]))
    while True:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, VerbGroup):
            return context
        group = command


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_in_the_documents_is_one(page: Path) -> None:
    lines = [line for line in typed(page) if line.startswith(NAME)] + INLINE.findall(page.read_text(encoding="utf-8"))
    for line in lines:
        try:
            parsed(line)
        except click.ClickException as error:
            pytest.fail(f"{page_name(page)}: {line}: {error.format_message()}")


def test_the_documents_show_every_verb() -> None:
    shown = {parsed(line).command_path for page in PAGES for line in typed(page) if line.startswith(NAME)}
    assert {
        f"{NAME} {verb}"
        for verb in commands.list_commands(click.Context(commands))
        if verb not in ("backup", "audit", "monitor")
    } <= shown


def test_a_command_that_is_none_would_be_found() -> None:
    for wrong in (f"{NAME} statsu", f"{NAME} deploy --nope", f"{NAME} backup verify"):
        with pytest.raises(click.ClickException):
            parsed(wrong)


def test_every_make_target_in_the_documents_exists() -> None:
    targets = {line.split()[1] for page in PAGES for line in typed(page) if re.match(r"make [a-z]", line)}
    assert {"install", "demo", "test"} <= targets
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_linked_file_is_there(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_reference_is_what_the_code_says() -> None:
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == written_by("reference"), (
        "out of date: run .venv/bin/python docs/reference.py"
    )


def test_the_list_of_rules_is_what_the_code_says() -> None:
    assert (DOCS / "rules" / "README.md").read_text(encoding="utf-8") == written_by("rules"), (
        "out of date: run .venv/bin/python docs/rules.py"
    )


def written_by(script: str) -> str:
    spec = importlib.util.spec_from_file_location(script, DOCS / f"{script}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text: str = module.written()
    return text


def test_the_reference_tells_every_field_of_the_settings() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    settings = text[text.index("## Configuration") : text.index("## Exit codes")]
    rows = [row.rstrip(" |") for row in settings.splitlines() if row.startswith("| `")]
    empty = [row for row in rows if row.endswith(("| none", "| needed"))]
    assert empty == []


def test_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "$ make test\n" in (ROOT / "README.md").read_text()
    for command in ("make test", "make check", "make test-containers", "make campaign"):
        assert command in script
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=False).returncode == 0
