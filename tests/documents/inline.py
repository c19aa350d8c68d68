"""Commands in running text: the spans of a document that are typed, and what runs each of them.

A span of several words is no command if its form says what else it is, or where a table quotes with it what is said.
Every other one is run:

- in a block (snippets.py) with the same words, and something in place of each placeholder; or
- by the test that ``RUN_BY`` names, which reads it from here by the fixture ``inline``, or a script that has its words.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.verbs import VERBS

from .snippets import FENCE, PAGES, ROOT, snippets

PROGRAM = "locktender"
REFERENCE = ROOT / "docs" / "reference.md"
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
QUOTES = ("| you see |", "| it says |")
"""How a table begins whose first column says what is seen."""
OTHER = re.compile(
    r"""[\w.-]+(?:\ =\ |:\ ).*        # a setting, a key of a workflow, a header
      | [A-Z]+(?:\ (?:[A-Z]+|…))*     # a statement's name
      | (?:RUN|COPY)\ /.*             # a layer of the image
      | [{\[<].*                      # data, or a comment in HTML
      | --\ .*                        # a comment in SQL
    """,
    re.VERBOSE,
)
RUN_BY = {
    "tests/test_docs_run.py::test_the_role_that_the_guide_makes_owns_its_database_and_may_create_others": (
        "ALTER ROLE app CREATEDB",
    ),
    "tests/test_docs_run.py::test_a_directory_for_backups_gets_the_label_that_the_guide_types": ("chcon …",),
    "tests/test_verbs_over_ssh.py::test_an_sshd_must_allow_what_the_guide_says_and_no_more": (
        "AllowTcpForwarding local",
        "Subsystem sftp internal-sftp",
    ),
    "tests/test_init.py::test_the_names_that_the_guide_types_call_the_verbs_beside_them": ("npm run …",),
    "tests/test_slack_flow.py::test_whatever_the_documents_type_in_slack_is_understood": ("/db …", "@Locktender …"),
    "tests/prisma/test_documents.py::test_what_the_documents_type_of_prisma_does_what_they_say": (
        "npx prisma …",
        "prisma …",
    ),
    "tests/campaign/test_checkout.py::test_a_checkout_does_what_the_documents_type_in_it": (
        "make site",
        ".venv/bin/python docs/…",
        "python -m tests.campaign.report",
        "python -m benchmarks --only PART",
        "make bench",
    ),
    "tests/containers/test_documents.py::test_the_image_is_built_on_another_base": ("docker build …",),
    "tests/containers/test_documents.py::test_a_docker_that_does_not_answer_is_started": ("systemctl start docker",),
    "tests/containers/test_client_tools.py::test_a_service_that_is_missing_stopped_or_gone": (
        "docker compose up --detach db",
    ),
    "tests/containers/test_image.py::test_the_options_of_docker_that_the_documents_name": (
        "docker run …",
        "--network …",
        "--user locktender",
        "--read-only --tmpfs /tmp --cap-drop ALL",
    ),
    "tests/containers/test_image.py::test_its_other_doors_import_nothing_of_the_workspace": (
        "python -P …",
        "/opt/locktender/bin/python …",
    ),
    "benchmarks/backups.py": ("pg_dump | gzip", "gunzip | psql"),
    "benchmarks/downtime.py": ("git pull -q; …",),
    "tests/campaign/states.py": ("pg_dump -s",),
}
"""By test or script the words, or how they begin."""


@dataclass(frozen=True)
class Span:
    """What stands between backticks, in one line; ``line`` is 1-based."""

    page: Path
    line: int
    text: str

    @property
    def is_mention(self) -> bool:
        """Whether it names a verb, an option or a way to call something, and is not all that is typed."""
        first, *_, last = self.text.split()
        if first == PROGRAM:
            return self.page == REFERENCE  # a verb's arguments, with its options below
        return first in VERBS or first.startswith("-") or last.startswith("-")

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"


def commands(page: Path) -> Iterator[Span]:
    """All spans of a page that are typed, or are part of what is."""
    for span, quoted in _spans(page):
        of_an_option = page == REFERENCE and span.text.startswith("-")  # generated from what parses it
        if " " in span.text and not (quoted or of_an_option or OTHER.fullmatch(span.text)):
            yield span


def options(page: Path) -> Iterator[Span]:
    """All spans that are an option's name."""
    yield from (span for span, _ in _spans(page) if re.fullmatch(r"--?[a-z][\w-]*", span.text))


def _spans(page: Path) -> Iterator[tuple[Span, bool]]:
    """Whether it says what is seen comes with each."""
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))
    for found in SPAN.finditer(text):
        said = " ".join(found[2].replace("\\|", "|").split())
        yield Span(page, text.count("\n", 0, found.start()) + 1, said), _is_quoted(text, found.start())


def _is_quoted(text: str, at: int) -> bool:
    """Whether it stands in the first column of a table that says what is seen."""
    before = text[:at].rpartition("\n\n")[2]
    return before.startswith(QUOTES) and " | " not in before.rpartition("\n")[2]


def typed_by(test: str) -> list[str]:
    """The words of all commands that one test types, each once."""
    every = (span.text for page in PAGES for span in commands(page))
    return list(dict.fromkeys(text for text in every if any(begins(text, words) for words in RUN_BY[test])))


def begins(text: str, words: str) -> bool:
    """Whether they are the words of an entry of ``RUN_BY``."""
    return text.startswith(words[:-1]) or text == words[:-1].strip() if words.endswith("…") else text == words


def run_in_blocks() -> set[tuple[str, ...]]:
    """The words of each simple command in any block, and of each argument that is a command for another program."""
    found = set()
    for page in PAGES:
        for snippet in snippets(page):
            for command in snippet.commands:
                for words in _simple(command.typed):
                    found.add(tuple(words))
                    found |= {tuple(word.split()) for word in words if " " in word}
    return found


def _simple(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&\n"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)


def fits(span: Span, typed: Sequence[str]) -> bool:
    """Whether a command is one as the span says."""
    between = "(?:[^\0]+\0)*" if span.is_mention else ""
    words = [_pattern(word) for word in _words(span.text)]
    if span.text.startswith("-"):
        words.insert(0, "")
    elif span.text.split()[0] in VERBS:
        words.insert(0, f"{PROGRAM}\0")
    return re.fullmatch(between.join([*words, ""]), "".join(f"{word}\0" for word in typed)) is not None


def _words(text: str) -> list[str]:
    """``[ARG]...`` and ``[A [B]]`` are one each."""
    return re.findall(r"\[(?:[^\[\]]|\[[^\]]*\])*\](?:\.{3})?|\S+", text)


def _pattern(word: str) -> str:
    optional = re.fullmatch(r"\[([^…]*)(…?)\](\.{3})?", word)
    if optional:
        inner = "".join(_pattern(one) for one in _words(optional[1]))
        return f"(?:{inner}){'*' if optional[2] or optional[3] else '?'}"
    if word == "CMD":
        return "(?:[^\0]+\0)+"
    choices = word.strip("{}").split("|")
    return f"(?:{'|'.join(_placed(choice) for choice in choices)})\0"


def _placed(word: str) -> str:
    return re.sub(r"(?<![A-Za-z])[A-Z][A-Z_]+(?![a-z=])", lambda _: "[^\0]+", re.escape(word))


def is_read(place: str, words: Sequence[str]) -> bool:
    """Whether a test asks for what it types, or a script has all of the words."""
    path, _, test = place.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    if not test:
        return all(word in text for one in words for word in re.findall(r"[\w-]+", one))
    functions = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef) and one.name == test]
    return any("inline" in {argument.arg for argument in one.args.args} for one in functions)
