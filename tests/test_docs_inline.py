"""Every command in the running text of the documents is run: in a block, or by a test that reads it from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.__main__ import commands as program

from .documents.inline import RUN_BY, Span, begins, commands, fits, is_read, options, run_in_blocks
from .documents.snippets import ROOT
from .test_docs import PAGES, page_name

GUIDE = ROOT / "docs" / "guide.md"
REFERENCE = ROOT / "docs" / "reference.md"
OF_OTHERS = {"--to-schema-datamodel", "--volumes"}
"""Prisma's before 7, and Compose's; the tests of both give them."""


@pytest.fixture(scope="module")
def typed() -> set[tuple[str, ...]]:
    return run_in_blocks()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_in_running_text_is_run(page: Path, typed: set[tuple[str, ...]]) -> None:
    nowhere = [str(span) for span in commands(page) if not is_run(span, typed)]
    assert nowhere == [], "\n".join(["run nowhere:", *nowhere])


def is_run(span: Span, typed: set[tuple[str, ...]]) -> bool:
    elsewhere = any(begins(span.text, words) for every in RUN_BY.values() for words in every)
    return elsewhere or any(fits(span, words) for words in typed)


def test_what_another_test_runs_is_read_by_it_and_still_in_a_document(typed: set[tuple[str, ...]]) -> None:
    spans = [span for page in PAGES for span in commands(page)]
    assert [place for place, words in RUN_BY.items() if not is_read(place, words)] == []
    every = [words for one in RUN_BY.values() for words in one]
    assert [words for words in every if not any(begins(span.text, words) for span in spans)] == []
    assert len(spans) > 150


def test_every_option_in_running_text_is_one_of_ours_or_is_typed(typed: set[tuple[str, ...]]) -> None:
    known = set(declared(program)) | {word for words in typed for word in words} | OF_OTHERS
    spans = [span for page in PAGES for span in options(page)]
    assert [str(span) for span in spans if span.text not in known] == []
    assert {span.text for span in spans} >= OF_OTHERS | {"--json", "--foreign"}


def declared(command: click.Command) -> Iterator[str]:
    """All options of a command and of those below it."""
    yield from ("--help", *(option for one in command.params for option in (*one.opts, *one.secondary_opts)))
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = (command.get_command(context, name) for name in command.list_commands(context))
        yield from (option for one in below if one for option in declared(one))


@pytest.mark.parametrize(
    ("said", "page", "run"),
    [
        ("locktender deploy --dry-run", GUIDE, True),
        ("locktender deploy --dryrun", GUIDE, False),
        ("locktender restore latest --undo", GUIDE, False),
        ("locktender restore", GUIDE, False),
        ("locktender restore ID|latest", REFERENCE, True),
        ("locktender apply --baseline NAME", GUIDE, True),
        ("locktender start -- CMD", GUIDE, True),
        ("locktender completion {bash|zsh|fish}", REFERENCE, True),
        ("restore --undo", GUIDE, True),
        ("restore --redo", GUIDE, False),
        ("--cache DIR", GUIDE, True),
        ("--cash DIR", GUIDE, False),
        ("docker compose down", GUIDE, True),
        ("docker compose down --volumes", GUIDE, False),
        ("kubectl get pods", GUIDE, False),
        ("/db restore [BACKUP]", GUIDE, True),
        ("psql app", GUIDE, False),
    ],
)
def test_a_command_that_nothing_runs_would_be_found(
    said: str, page: Path, run: bool, typed: set[tuple[str, ...]]
) -> None:
    assert is_run(Span(page, 1, said), typed) == run


def test_what_is_typed_is_told_from_what_is_only_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Type `locktender\nstatus`, or `./deploy.sh`, with `init: true`, `a = 1` and `CREATE INDEX`.\n\n"
        "```console\n$ not this `one here`\n```\n\n"
        "| you see | do |\n|---|---|\n| `it is gone` | `make again \\| less` |\n"
    )
    assert [(span.line, span.text) for span in commands(page)] == [(1, "locktender status"), (10, "make again | less")]
