"""Which line of a TOML text each key stands on, so that an error can point at it; ``tomllib`` keeps no places."""

from __future__ import annotations

import re
from collections.abc import Mapping

Key = tuple[str, ...]

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACE = re.compile(r"[ \t]*")
PART = re.compile(r"""[A-Za-z0-9_-]+|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'""")
TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''  # the four kinds of string
    r"|#[^\n]*|[\[\]{}\n]|[^\[\]{}\"'#\n]+",
    re.DOTALL,
)


def key_lines(text: str) -> Mapping[Key, int]:
    """The 1-based line of every section and key of a valid TOML text, by its path from the top.

    Keys within inline tables and array items have no line of their own: ``line_of`` gives that of what holds them.
    """
    found: dict[Key, int] = {}
    section: Key = ()
    at = _end(BLANK, text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            double = text.startswith("[[", at)
            section, at = _key(text, at + 2 if double else at + 1)
            found.setdefault(section, line)
            at = text.index("]", at) + (2 if double else 1)
        else:
            key, at = _key(text, at)
            for length in range(1, len(key) + 1):
                found.setdefault(section + key[:length], line)
            at = _after_value(text, text.index("=", at) + 1)
        at = _end(BLANK, text, at)
    return found


def line_of(lines: Mapping[Key, int], path: Key) -> int | None:
    """The line of ``path``, or of the nearest thing around it; ``None`` where nothing around it is written."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _key(text: str, at: int) -> tuple[Key, int]:
    parts: list[str] = []
    while True:
        match = PART.match(text, _end(SPACE, text, at))
        if not match:
            return tuple(parts), at
        parts.append(_unquoted(match))
        at = _end(SPACE, text, match.end())
        if not text.startswith(".", at):
            return tuple(parts), at
        at += 1


def _unquoted(match: re.Match[str]) -> str:
    basic, literal = match.groups()
    if basic is None:
        return match.group() if literal is None else literal
    if "\\" not in basic:
        return basic
    import tomllib

    value: str = tomllib.loads(f'key = "{basic}"')["key"]
    return value


def _after_value(text: str, at: int) -> int:
    depth = 0
    for match in TOKEN.finditer(text, at):
        piece = match.group()
        if piece == "\n" and depth == 0:
            return match.start()
        depth += (piece in ("[", "{")) - (piece in ("]", "}"))
    return len(text)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
