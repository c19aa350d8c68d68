"""Places within a statement, by PostgreSQL's own scanner. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from operations.migrations.splitting import in_ascii
from operations.migrations.statement import Statement
from operations.rules.model import Context

_OPENING, _CLOSING, _COMMA = {"ASCII_40", "ASCII_91"}, {"ASCII_41", "ASCII_93"}, "ASCII_44"
COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})


def command_start(statement: Statement, command: int) -> int:
    """The offset in the file at which part ``command`` of an ALTER TABLE begins; the first is its beginning."""
    starts = _commands(statement.text) if command else ()
    return statement.start + (starts[command - 1] if command <= len(starts) and command else 0)


def whole_lines(text: str, statement: Statement) -> bool:
    """Whether the lines of the statement hold nothing besides it, so that others can stand in their place."""
    before = text[text.rfind("\n", 0, statement.start) + 1 : statement.start]
    end = text.find("\n", statement.end)
    after = text[statement.end : len(text) if end < 0 else end]
    return not before.strip() and after.strip() in (";", "")


def tokens(text: str) -> Sequence[Any]:
    """What the scanner sees, comments included; nothing where it gives up. Offsets are characters."""
    from pglast.parser import ParseError, scan

    try:
        return scan(in_ascii(text))
    except ParseError:
        return ()


def with_word(context: Context, after: str, word: str) -> str | None:
    """The statement with one more keyword behind the first ``after``; ``None`` if its lines hold anything else."""
    statement = context.statement
    if not whole_lines(context.source.text, statement):
        return None
    end = next((token.end + 1 for token in tokens(statement.text) if token.name == after), None)
    return None if end is None else f"{statement.text[:end]} {word}{statement.text[end:]};"


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
