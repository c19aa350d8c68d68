"""Places within a statement, by PostgreSQL's own scanner. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from operations.migrations.splitting import in_ascii
from operations.migrations.statement import Statement

_OPENING, _CLOSING, _COMMA = {"ASCII_40", "ASCII_91"}, {"ASCII_41", "ASCII_93"}, "ASCII_44"
COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})


def command_start(statement: Statement, command: int) -> int:
    """The offset in the file at which part ``command`` of an ALTER TABLE begins; the first is its beginning."""
    starts = _commands(statement.text) if command else ()
    return statement.start + (starts[command - 1] if command <= len(starts) and command else 0)


def indentation(text: str, statement: Statement) -> str | None:
    """What stands before a statement whose lines hold nothing else, so that others can stand in their place.

    ``None`` if they do hold something else.
    """
    before = text[text.rfind("\n", 0, statement.start) + 1 : statement.start]
    end = text.find("\n", statement.end)
    after = text[statement.end : len(text) if end < 0 else end]
    return None if before.strip() or after.strip() not in (";", "") else before


def tokens(text: str) -> Sequence[Any]:
    """What the scanner sees, comments included; nothing where it gives up. Offsets are characters."""
    from operations.migrations.parser import ParseError, scan

    try:
        return scan(in_ascii(text))
    except ParseError:
        return ()


@lru_cache(maxsize=4)
def _commands(text: str) -> tuple[int, ...]:
    """Where the parts after the first begin."""
    starts: list[int] = []
    depth, after_comma = 0, False
    for token in tokens(text):
        if token.name in COMMENTS:
            continue
        if after_comma:
            starts.append(token.start)
        depth += (token.name in _OPENING) - (token.name in _CLOSING)
        after_comma = token.name == _COMMA and depth == 0
    return tuple(starts)
