"""Parts of a page: a table or a list that can be folded, and cut where there is no room for all of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ELSEWHERE = "*{count} more: all of them are in the summary of the run.*"


@dataclass(frozen=True)
class Section:
    """``rows`` may be left out from the end; ``head`` and ``foot`` may not. An open one is not folded.

    A ``title`` is ours, not foreign text; without one the rows stand by themselves. ``total``: how many rows there
    would be, where not all were made.
    """

    title: str
    rows: tuple[str, ...]
    head: tuple[str, ...] = ()
    foot: tuple[str, ...] = ()
    folded: bool = True
    total: int = 0

    def rendered(self, count: int) -> str:
        """With the first ``count`` rows."""
        left = max(self.total, len(self.rows)) - count
        rest = ("", ELSEWHERE.format(count=left)) if left else ()
        body = "\n".join((*self.head, *self.rows[:count], *self.foot, *rest))
        if not self.title:
            return body
        if not self.folded:
            return f"#### {self.title}\n\n{body}"
        return f"<details>\n<summary>{self.title}</summary>\n\n{body}\n\n</details>"


def table(columns: Sequence[str]) -> tuple[str, ...]:
    """The head of a table."""
    return (f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}")


def row(*cells: str) -> str:
    """A row of a table; the cells are markdown already."""
    return f"| {' | '.join(cells)} |"


def page(top: str, sections: Sequence[Section], bottom: str, limit: int) -> str:
    """``top``, as much of the sections as fits, the first ones first, and ``bottom``: ``limit`` characters at most."""
    room = limit - len(top) - len(bottom) - 4
    parts: list[str] = []
    for section in sections:
        text = _fitting(section, room - 2)
        if text:
            parts.append(text)
            room -= len(text) + 2
    return "\n\n".join((top, *parts, bottom))


def _fitting(section: Section, room: int) -> str:
    """By halves: how long it becomes grows with the number of rows."""
    low, high = 0, len(section.rows)
    if len(whole := section.rendered(high)) <= room:
        return whole
    while low < high:
        middle = (low + high + 1) // 2
        if len(section.rendered(middle)) <= room:
            low = middle
        else:
            high = middle - 1
    return section.rendered(low) if low else ""
