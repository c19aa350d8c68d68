"""What may reach a terminal: text and our own colours. Names, queries and messages are somebody else's text."""

from __future__ import annotations

import re
import unicodedata

COLOUR = re.compile(r"(\x1b\[(?:(?:0|1|2|3[1-6]);?)+m)")
"""As click and rich write those that we use; none of them hides anything."""
MOVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and newline, marks that turn text around, and what no encoding can write."""


def cleaned(text: str) -> str:
    """A whole output, with its colours, but without what would move a terminal's cursor or turn its text around."""
    if text.isprintable():
        return text
    pieces = COLOUR.split(text.replace("\r\n", "\n"))
    pieces[::2] = [MOVING.sub(lambda found: _escaped(found[0]), piece) for piece in pieces[::2]]
    return "".join(pieces)


def shown(text: str) -> str:
    """Somebody else's text, in which nothing is invisible either."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()
