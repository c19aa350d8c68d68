"""What the rules found in one file, before it becomes findings: put together where it is one thing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from operations.rules.model import Found, Rule
from operations.rules.source import Source
from operations.rules.wording import short

_NAMED = 20
"""Lines that a message names."""
_LONGEST = 20_000
"""Characters of a suggestion: nobody reads more."""


class Hit(Struct, frozen=True):
    """What a rule found, and at which statement (``None``: somewhere else in the file)."""

    rule: Rule
    found: Found
    index: int | None

    @property
    def statements(self) -> tuple[int, ...]:
        """All that belong to it, by index."""
        return self.found.statements or (() if self.index is None else (self.index,))


def without_parts(hits: Sequence[Hit]) -> Iterator[Hit]:
    """All but what belongs to something larger that was recognised as a whole."""
    parts = {(index, name) for hit in hits for name in hit.found.instead for index in hit.statements}
    for hit in hits:
        if (hit.index, hit.rule.name) not in parts:
            yield hit


def merged(source: Source, hits: Iterable[Hit]) -> Iterator[Hit]:
    """One for statements that follow each other and of which a rule says the same: ten indexes are one finding.

    Errors stay single: each of them is to be read.
    """
    runs: dict[str, list[list[Hit]]] = {}
    for hit in sorted((hit for hit in hits if hit.index is not None), key=lambda hit: hit.statements):
        of_rule = runs.setdefault(hit.rule.name, [])
        if of_rule and _continues(of_rule[-1][-1], hit):
            of_rule[-1].append(hit)
        else:
            of_rule.append([hit])
    yield from (_one(source, run) for of_rule in runs.values() for run in of_rule)
    yield from (hit for hit in hits if hit.index is None)


def _continues(before: Hit, hit: Hit) -> bool:
    single = before.found.statements or hit.found.statements or before.index is None
    levels = {before.found.severity or before.rule.severity, hit.found.severity or hit.rule.severity}
    return not single and hit.index == (before.index or 0) + 1 and len(levels) == 1 and "error" not in levels


def _one(source: Source, run: Sequence[Hit]) -> Hit:
    first, *others = run
    if not others:
        return replace(first, found=replace(first.found, suggestion=_suggestion(source, run)))
    places = [_place(source.parsed[hit.index or 0].statement.line, hit.found.about) for hit in others]
    named = ", ".join(places[:_NAMED]) + (f" and {len(places) - _NAMED} more" if len(places) > _NAMED else "")
    found = replace(
        first.found,
        message=f"{first.found.message} The same goes for {named}.",
        statements=tuple(hit.index for hit in run if hit.index is not None),
        suggestion=_suggestion(source, run),
    )
    return replace(first, found=found)


def _place(line: int, about: str) -> str:
    return f"{short(about)} (line {line})" if about else f"line {line}"


def _suggestion(source: Source, run: Sequence[Hit]) -> str | None:
    """Those of all statements, with the lines between them."""
    if sum(len(hit.found.suggestion or "") for hit in run) > _LONGEST or not all(hit.found.suggestion for hit in run):
        return None
    parts: list[str] = []
    end = None
    for hit in run:
        statement = source.parsed[hit.index or 0].statement
        begin = source.text.rfind("\n", 0, statement.start) + 1
        if end is not None:
            parts.append(source.text[end:begin])
        parts.append(hit.found.suggestion or "")
        line_end = source.text.find("\n", statement.end)
        end = len(source.text) if line_end < 0 else line_end
    whole = "".join(parts)
    return whole if len(whole) <= _LONGEST else None
