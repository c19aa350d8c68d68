"""The snippets of a document: what stands in its fences, and the notes before them that only tests read.

A note is an HTML comment on the lines right before a fence:

- ``<!-- exits: 1 0|1 stopped -->``: exit codes of the commands, in their order (without: all 0); ``stopped``: it
  goes on until it is stopped, which is done once it has said something
- ``<!-- answers: ONE TWO -->``: what is typed in where the commands ask for something
- ``<!-- file: PATH -->``: what it holds is put there, below the project's directory
- ``<!-- run by: PATH::TEST -->``: that test reads it from here, by the fixture ``documented``; or a script, of which
  each command is a line
- ``<!-- unseen`` to ``-->``, anywhere: commands that are run, and that readers are not shown
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md")],
    key=lambda page: page.relative_to(ROOT),
)
NOTES = {"exits", "answers", "file", "run by"}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$|^<!-- (.*?)\s*-->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """What is typed after a prompt, and the lines that are shown below it."""

    typed: str
    shown: tuple[str, ...]
    exit_codes: tuple[int, ...] = (0,)
    goes_on: bool = False
    """Until it is stopped."""


@dataclass(frozen=True)
class Snippet:
    """One fence. ``kind`` is the word behind it; ``line`` is 1-based."""

    page: Path
    line: int
    kind: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def run_by(self) -> str | None:
        return self.notes.get("run by")

    @property
    def script(self) -> str:
        """All that is typed."""
        return "\n".join(one.typed for one in self.commands)

    @property
    def commands(self) -> list[Command]:
        """Of a console; a prompt is ``$``, or ``#`` for root's; a command goes on behind a backslash, after ``>``."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines() if self.kind == "console" else ():
            if line.startswith(("$ ", "# ")):
                found.append((line[2:], []))
            elif found and line.startswith("> ") and not found[-1][1]:
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
            else:
                found[-1][1].append(line)
        told = self.notes.get("exits", "").split() or ["0"] * len(found)
        assert len(told) == len(found), f"{self}: {len(found)} commands, {len(told)} exit codes"
        return [
            Command(typed, tuple(shown), _codes(code), code == "stopped")
            for (typed, shown), code in zip(found, told, strict=True)
        ]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def _codes(told: str) -> tuple[int, ...]:
    return (0,) if told == "stopped" else tuple(int(code) for code in told.split("|"))


def marked(test: str) -> list[Snippet]:
    """All that are marked as run by one, in the order of the pages."""
    return [one for page in PAGES for one in snippets(page) if one.run_by == test]


def snippets(page: Path) -> Iterator[Snippet]:
    """All of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    notes: dict[str, str] = {}
    end = 0
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if text[end : found.start()].strip():
            notes = {}
        end = found.end()
        note = found[4]
        if note is None:
            yield Snippet(page, line, found[2], dedent(found[3]), notes)
            notes = {}
        elif note.startswith("unseen"):
            first, _, rest = note.partition("\n")
            exits = first.partition(" exits: ")[2]
            yield Snippet(page, line, "console", rest + "\n", {"exits": exits} if exits else {})
        else:
            name, _, value = note.partition(":")
            notes = {**notes, name.strip(): value.strip()}
