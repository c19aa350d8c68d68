"""Findings beside the lines that they are about: for a check run, and for the log where there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from action.comment import Place
from action.escaping import plain, visible
from operations.rules.model import Finding

BATCH = 50
"""Annotations that GitHub takes with one request."""
LONGEST = 20_000
"""Characters of a message; GitHub takes 64 kB."""
TITLE = 255
MOST = 500
"""Annotations of a check run."""
Level = Literal["failure", "warning", "notice"]
LEVELS: dict[str, Level] = {"error": "failure", "warning": "warning", "note": "notice"}


class Annotation(Struct, frozen=True):
    """As the Checks API has it; columns only where it is about a single line."""

    path: str
    start_line: int
    end_line: int
    level: Level
    title: str
    message: str
    start_column: int | None = None
    end_column: int | None = None


def gravest(findings: Sequence[Finding], place: Place) -> tuple[Annotation, ...]:
    """Of the gravest ones, as many as a few requests take; the summary has them all."""
    ordered = sorted(findings, key=lambda one: list(LEVELS).index(one.severity))
    return tuple(annotation(one, place) for one in ordered[:MOST])


def annotation(finding: Finding, place: Place) -> Annotation:
    """One finding, with how to fix it."""
    last = max(finding.line, finding.end_line or finding.line)
    column = finding.column if last == finding.line else None
    return Annotation(
        path=visible(place.path(finding.file)),
        start_line=finding.line,
        end_line=last,
        level=LEVELS[finding.severity],
        title=plain(finding.rule)[:TITLE],
        message=plain(f"{finding.message}\n\nHow to fix: {finding.help}" if finding.help else finding.message)[
            :LONGEST
        ],
        start_column=column,
        end_column=column,
    )


def batches(annotations: Sequence[Annotation]) -> Iterator[tuple[Annotation, ...]]:
    """At most ``BATCH`` at a time; at least one batch, be it empty."""
    yield tuple(annotations[:BATCH])
    for begin in range(BATCH, len(annotations), BATCH):
        yield tuple(annotations[begin : begin + BATCH])
