"""Parts of a page: a table or a list that can be folded, and cut where there is no room for all of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

MORE = "*{count} more{where}.*"
LEFT_OUT = "*There was no room for {titles}{where}.*"
NAMED = 5
"""Sections that are named where there is no room for them."""


class Section(Struct, frozen=True):
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

    def rendered(self, count: int, where: str = "") -> str:
        """With the first ``count`` rows; ``where`` says where all of them are."""
        left = max(self.total, len(self.rows)) - count
        rest = ("", MORE.format(count=left, where=where)) if left else ()
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


def page(top: str, sections: Sequence[Section], bottom: str, limit: int, elsewhere: str = "") -> str:
    """``top``, as much of the sections as fits, and ``bottom``: ``limit`` characters at most.

    None takes more than half of the room from those after it, and those that have none are named. ``elsewhere``: where
    all of it can be read.
    """
    where = f": all of them are {elsewhere}" if elsewhere else ""
    wholes = [section.rendered(len(section.rows), where) for section in sections]
    room = limit - len(top) - len(bottom) - 4
    if sum(len(whole) + 2 for whole in wholes) <= room:
        return "\n\n".join((top, *wholes, bottom))
    titles = [section.title or "the list of migrations" for section in sections]
    room -= len(_left_out(sorted(titles, key=len, reverse=True), where)) + 2
    parts: list[str] = []
    missing: list[str] = []
    for number, section in enumerate(sections):
        later = sum(len(whole) + 2 for whole in wholes[number + 1 :])
        text = _fitting(section, room - 2 - min(later, room // 2), where)
        if text:
            parts.append(text)
            room -= len(text) + 2
        else:
            missing.append(titles[number])
    told = (_left_out(missing, where),) if missing else ()
    return "\n\n".join((top, *parts, *told, bottom))


def _left_out(titles: Sequence[str], where: str) -> str:
    more = [f"{len(titles) - NAMED} more sections"] if len(titles) > NAMED else []
    return LEFT_OUT.format(titles=", ".join([*titles[:NAMED], *more]), where=where)


def _fitting(section: Section, room: int, where: str) -> str:
    """By halves: how long it becomes grows with the number of rows."""
    low, high = 0, len(section.rows)
    if len(whole := section.rendered(high, where)) <= room:
        return whole
    while low < high:
        middle = (low + high + 1) // 2
        if len(section.rendered(middle, where)) <= room:
            low = middle
        else:
            high = middle - 1
    return section.rendered(low, where) if low else ""
