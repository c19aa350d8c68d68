"""Findings with a known safe form as suggested changes, where their lines are part of the diff. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from action.comment import Place
from action.escaping import fenced, has_hidden, inline
from action.platform import Suggestion
from operations.rules.model import Finding

HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def suggested(findings: Sequence[Finding], place: Place, patches: Mapping[str, str]) -> tuple[Suggestion, ...]:
    """GitHub takes comments to lines of the diff only, and none whose lines do not lie in one hunk."""
    return tuple(_of(findings, place, {path: tuple(hunks(patch)) for path, patch in patches.items()}))


def _of(findings: Sequence[Finding], place: Place, shown: Mapping[str, tuple[range, ...]]) -> Iterator[Suggestion]:
    taken: set[tuple[str, int]] = set()
    for finding in findings:
        path, last = place.path(finding.file), finding.end_line or finding.line
        if finding.suggestion is None or has_hidden(finding.suggestion):
            continue
        if not any(finding.line in lines and last in lines for lines in shown.get(path, ())):
            continue
        covered = {(path, line) for line in range(finding.line, last + 1)}
        if covered & taken:  # two changes to the same line cannot both be accepted
            continue
        taken |= covered
        body = f"{inline(finding.message)}\n\n{fenced(finding.suggestion, 'suggestion')}"
        yield Suggestion(path, finding.line, last, body)


def hunks(patch: str) -> Iterator[range]:
    """The lines of the new file that each hunk of a unified diff shows."""
    begin, count = 0, 0
    for line in patch.removesuffix("\n").split("\n"):  # and at no other character: that is part of a line
        if found := HUNK.match(line):
            if count:
                yield range(begin, begin + count)
            begin, count = int(found[1]), 0
        elif line.startswith(("+", " ")) or not line:
            count += 1
    if count:
        yield range(begin, begin + count)
