"""A script as its statements, split by PostgreSQL's own parser (pglast, the grammar of PostgreSQL 18). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from operations.migrations.nesting import too_deep

LIMIT = 16_000_000
"""Characters; a longer script would take more than ten seconds and gigabytes to parse."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NON_ASCII_TAG = re.compile(r"\$[^\s$]*[^\x00-\x7f\s$][^\s$]*\$")
_PERHAPS_A_COMMENT = re.compile(r"--[^\n]*\Z|\*/\Z")
REASON_SHOWN = 120


class Unparsable(Exception):
    """Why a script cannot be split; ``offset`` is where the grammar gives up, in characters."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class Piece(Struct, frozen=True):
    """One statement: ``text`` is ``script[start:end]``, without the comments before and after it.

    ``node`` is its parse tree, in which other letters than ASCII's may be replaced; ``exact_node`` never lies.
    """

    text: str
    start: int
    end: int
    node: Any

    def exact_node(self) -> Any:
        """The parse tree with every name as it is written."""
        if self.text.isascii():
            return self.node
        from operations.migrations.parser import parse_sql

        return parse_sql(self.text)[0].stmt


def in_ascii(text: str) -> str:
    """The same text, one character for one, to the same tokens: each other letter becomes a ``q``.

    pglast's offsets cost quadratic time in texts that are not ASCII (90 s for 2 MB). PostgreSQL takes all such
    characters for letters of a name, and of all letters q is the least likely to make a keyword of one.
    """
    return text if text.isascii() else _NOT_ASCII.sub("q", text)


def split(text: str) -> tuple[Piece, ...]:
    """The statements in order; raises ``Unparsable``."""
    if "\0" in text:
        raise Unparsable("a NUL character, which PostgreSQL cannot take", text.index("\0"))
    if len(text) > LIMIT:
        raise Unparsable(f"{len(text) / 1e6:.0f} MB are too much to analyse", 0)
    plain = in_ascii(text)
    deep = too_deep(plain)
    if deep is not None:
        raise Unparsable("nested too deeply to be analysed", deep)
    if plain is not text and _NON_ASCII_TAG.search(text):
        plain = text  # `$é$ … $q$ … $é$` would end too early
    return tuple(_pieces(text, plain))


def _pieces(text: str, plain: str) -> Iterator[Piece]:
    for raw in _parse(text, plain):
        start = raw.stmt_location
        end = start + raw.stmt_len if raw.stmt_len else len(text)
        end = start + len(_without_trailing_comments(plain[start:end]))
        yield Piece(text[start:end], start, end, raw.stmt)


def _parse(text: str, plain: str) -> Any:
    from operations.migrations.parser import ParseError, parse_sql

    try:
        return parse_sql(plain)
    except ParseError as error:
        if plain is not text:
            return _parse(text, text)
        reason, offset = error.args
        raise Unparsable(str(reason)[:REASON_SHOWN], len(text) if offset is None else offset) from None


def _without_trailing_comments(statement: str) -> str:
    statement = statement.rstrip()
    if not _PERHAPS_A_COMMENT.search(statement):
        return statement
    from operations.migrations.parser import scan

    ends = [token.end + 1 for token in scan(statement) if token.name not in ("SQL_COMMENT", "C_COMMENT")]
    return statement[: max(ends, default=0)]
