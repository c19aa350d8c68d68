"""Comments that switch a rule off for one statement: ``-- locktender: allow RULE because REASON``. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from operations.rules.places import COMMENTS, tokens
from operations.rules.source import Source
from operations.rules.wording import listed, short

_SIGN = "locktender:"
_ALLOW = re.compile(r"(?:--|/\*)\W*locktender:\s*(\w*)(.*)", re.IGNORECASE | re.DOTALL)
_BECAUSE = re.compile(r"\bbecause\b", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,]+")
FORM = "-- locktender: allow RULE because REASON"


class Allowance(Struct, frozen=True):
    """One such comment, at a character offset; ``statement`` is the index of the one it speaks of, if there is one."""

    offset: int
    rules: tuple[str, ...]
    reason: str
    statement: int | None


Complaint = tuple[str, str, int]
"""A rule's name, a message and an offset."""


def allowances(source: Source) -> tuple[Allowance, ...]:
    """In the order of the text; strings that look like comments are none."""
    if not source.top or _SIGN not in source.text.lower():
        return ()
    found = []
    for token in tokens(source.text):
        match = _ALLOW.match(source.text, token.start, token.end + 1) if token.name in COMMENTS else None
        if match:
            words, reason = _parts(match)
            found.append(Allowance(token.start, words, reason, _statement(source, token.start)))
    return tuple(found)


def complaints(
    comments: Sequence[Allowance], used: Collection[tuple[Allowance, str]], known: Collection[str], off: Collection[str]
) -> Iterator[Complaint]:
    """What is wrong with the comments themselves. ``used``: those that met a finding, with the rule's name."""
    for one in comments:
        if not one.rules:
            yield "allow-unknown-rule", f"This comment names no rule; its form is: {FORM}", one.offset
        for name in one.rules:
            if name not in known:
                yield "allow-unknown-rule", f"There is no rule {short(name)!r}.", one.offset
            elif (one, name) not in used and name not in off:
                yield "allow-unused", f"{name} finds nothing in the statement that this comment is about.", one.offset
        if one.rules and not one.reason:
            yield "allow-without-reason", f"{listed(one.rules)}: allowed without a reason, so it is not.", one.offset


def _parts(match: re.Match[str]) -> tuple[tuple[str, ...], str]:
    """Rules and reason; anything else than ``allow`` names no rule."""
    verb, rest = match.groups()
    rest = rest.removesuffix("*/")
    cut = _BECAUSE.search(rest)
    names, reason = (rest[: cut.start()], rest[cut.end() :]) if cut else (rest, "")
    if verb.lower() != "allow":
        return (), ""
    return tuple(dict.fromkeys(word for word in _BETWEEN.split(names) if word)), reason.strip(" \t\r\n:*")


def _statement(source: Source, offset: int) -> int | None:
    """The one around the comment, or ending on its line, or else the next one."""
    before = source.last_before(offset)
    parsed = source.parsed
    if before >= 0:
        end = parsed[before].statement.end
        if offset < end or source.place(end)[0] == source.place(offset)[0]:
            return before
    return before + 1 if before + 1 < len(parsed) else None
