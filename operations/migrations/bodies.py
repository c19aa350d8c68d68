"""Bodies of procedures and DO blocks: whether they may commit or roll back on their own. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from msgspec import Struct

_BEFORE_A_STATEMENT = frozenset({";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"})
_ENDS = frozenset({"COMMIT", "ROLLBACK"})
LONGEST_KEYWORD = len("ROLLBACK") + 1
_WORD = re.compile(r"\b(?:commit|rollback|call)\b", re.IGNORECASE)


class Body(Struct, frozen=True):
    """Source text in a procedural language."""

    language: str
    text: str


def procedural_body(options: Collection[Any] | None) -> Body:
    """The body that ``DO`` or ``CREATE PROCEDURE`` gives; empty where it is SQL of the parsed kind."""
    language, text = "plpgsql", ""
    for item in options or ():
        if item.defname == "language":
            language = item.arg.sval.lower()
        elif item.defname == "as":
            parts = item.arg if isinstance(item.arg, tuple) else (item.arg,)
            text = parts[0].sval
    return Body(language, text)


def may_end_transaction(body: Body) -> bool:
    """Whether it commits, rolls back, or calls a procedure that might.

    In PL/pgSQL only where a statement can begin; in other languages any such word counts, in SQL none can do it.
    """
    if body.language == "sql" or not _WORD.search(body.text):
        return False
    if body.language != "plpgsql":
        return True
    words = _words(body.text)
    return words is None or any(_ends(*three) for three in zip([";", *words], words, [*words[1:], ";"], strict=False))


def _ends(before: str, word: str, after: str) -> bool:
    if before not in _BEFORE_A_STATEMENT:
        return False
    return word == "CALL" or (word in _ENDS and after in (";", "AND"))


def _words(text: str) -> list[str] | None:
    """The tokens of a body without its comments, upper-case, each cut to what tells it from a keyword."""
    from operations.migrations.parser import ParseError, scan
    from operations.migrations.splitting import in_ascii

    plain = in_ascii(text)
    try:
        tokens = [token for token in scan(plain) if token.name not in ("SQL_COMMENT", "C_COMMENT")]
    except ParseError:
        return None
    return [plain[token.start : min(token.end + 1, token.start + LONGEST_KEYWORD)].upper() for token in tokens]
