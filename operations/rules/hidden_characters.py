"""Characters that make a text look like another one."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator

from operations.rules.model import Found, Rule
from operations.rules.places import tokens
from operations.rules.source import Source

_TURNING = "\u202a-\u202e\u2066-\u2069"
_MARKS = "\u200e\u200f\u061c"
_INVISIBLE = "\u00ad\u115f\u1160\u180e\u200b-\u200d\u2060-\u2064\u3164\ufeff\uffa0\U000e0000-\U000e007f"
_CONTROL = "\x01-\x08\x0b\x0e-\x1f\x7f-\x9f"
_ANYWHERE = re.compile(f"[{_TURNING}{_CONTROL}]")
_SUSPECT = re.compile(f"[{_TURNING}{_MARKS}{_INVISIBLE}{_CONTROL}]")
_CONSTANTS = {"SCONST", "USCONST"}


def _check(source: Source) -> Iterator[Found]:
    """One a statement: marks and invisible characters are usual in texts of people, and so in string constants."""
    if not _SUSPECT.search(source.text):
        return
    constants = [token for token in tokens(source.text) if token.name in _CONSTANTS]
    starts = [token.start for token in constants]
    told: set[int] = set()
    for match in _SUSPECT.finditer(source.text):
        at = match.start()
        near = bisect_right(starts, at) - 1
        in_constant = near >= 0 and at <= constants[near].end
        statement = source.last_before(at)
        if statement not in told and (not in_constant or _ANYWHERE.match(match.group())):
            told.add(statement)
            name = unicodedata.name(match.group(), "a control character")
            yield Found(f"U+{ord(match.group()):04X} ({name}) is not seen by whoever reads this.", offset=at)


RULE = Rule(
    name="hidden-characters",
    severity="error",
    problem="Characters that are not seen, or that turn the direction of text, hide what a statement does.",
    help="Remove them; in a string that needs them, write them as escapes: U&'\\202E'.",
    check_file=_check,
)
