"""The same thing said the same way: what PostgreSQL may print in two ways becomes one.

It prints ``x IN ('a', 'b')`` over a ``varchar`` column as ``(ARRAY['a'::character varying, …])::text[]`` where it was
typed so, and as ``ARRAY[('a'::character varying)::text, …]`` once that was dumped and restored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

CAST_TO_ARRAY = re.compile(r"\)::([^\[\]()'\"]+(?:\([0-9, ]+\))?)\[\]")
OPENING = "(ARRAY["

PRIVILEGES = {
    "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "D": "TRUNCATE", "x": "REFERENCES", "t": "TRIGGER",
    "m": "MAINTAIN", "X": "EXECUTE", "U": "USAGE", "C": "CREATE", "c": "CONNECT", "T": "TEMPORARY", "s": "SET",
    "A": "ALTER SYSTEM",
}  # fmt: skip
"""https://www.postgresql.org/docs/current/ddl-priv.html#PRIVILEGE-ABBREVS-TABLE"""
ITEM = re.compile(r'^("(?:[^"]|"")*"|[^="]*)=([A-Za-z*]*)/')


def definition(text: str, granted: Iterable[str] | None, default: Iterable[str] | None) -> str:
    """An object's JSON text in normal form, with its privileges where they are not the default ones.

    ``granted`` and ``default`` are ``aclitem`` texts such as ``app=r*/owner``; ``granted`` is ``None`` for the default.
    """
    if granted is None and "ARRAY[" not in text:
        return text
    properties = _rewritten(json.loads(text))
    if granted is not None:
        properties |= _privileges(granted, default or ())
    return json.dumps(properties, ensure_ascii=False)


def array_casts(expression: str) -> str:
    """``(ARRAY[a, b])::t[]`` as ``ARRAY[(a)::t, (b)::t]``, everywhere but inside string constants."""
    start = 0
    while (opening := expression.find(OPENING, start)) >= 0:
        start = opening + 1
        elements, end = _elements(expression, opening + len(OPENING))
        cast = CAST_TO_ARRAY.match(expression, end)
        if cast and not _in_constant(expression, opening):
            inner = ", ".join(f"({element})::{cast[1]}" for element in elements)
            expression = f"{expression[:opening]}ARRAY[{inner}]{expression[cast.end() :]}"
    return expression


def _rewritten(value: Any) -> Any:
    if isinstance(value, str):
        return array_casts(value)
    if isinstance(value, dict):
        return {name: _rewritten(inner) for name, inner in value.items()}
    return [_rewritten(inner) for inner in value] if isinstance(value, list) else value


def _elements(text: str, start: int) -> tuple[list[str], int]:
    """The comma-separated elements up to the closing bracket, and the offset behind it."""
    found, depth, begin = [], 0, start
    for offset, mark in _marks(text, start):
        if mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        if depth < 0 or (mark == "," and not depth):
            found.append(text[begin:offset].strip())
            begin = offset + 1
        if depth < 0:
            return found, offset + 1
    return found, len(text)


def _marks(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Brackets and commas that are outside of quotes."""
    quote = ""
    for offset in range(start, len(text)):
        character = text[offset]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()[],":
            yield offset, character


def _in_constant(text: str, offset: int) -> bool:
    return text.count("'", 0, offset) % 2 == 1


def _privileges(granted: Iterable[str], default: Iterable[str]) -> dict[str, list[str]]:
    """What was granted beyond the default and what was revoked of it; who granted is left out, as a copy may differ."""
    has, usual = set(_grants(granted)), set(_grants(default))
    return {name: sorted(grants) for name, grants in (("granted", has - usual), ("revoked", usual - has)) if grants}


def _grants(items: Iterable[str]) -> Iterator[str]:
    for item in items:
        if match := ITEM.match(item):
            grantee = match[1] or "PUBLIC"
            for letter, option in re.findall(r"([A-Za-z])(\*?)", match[2]):
                yield f"{grantee} {PRIVILEGES.get(letter, letter)}{' with grant option' if option else ''}"
