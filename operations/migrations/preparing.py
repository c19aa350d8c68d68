"""Transactions that a script prepares for a commit in two phases: they outlive its session. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

_FIRST = {"PREPARE": "TRANSACTION", "COMMIT": "PREPARED", "ROLLBACK": "PREPARED"}
"""First token of the commands, and their second."""


class Prepared(NamedTuple):
    """One that a script prepares; ``line`` is 1-based."""

    gid: str
    line: int


def prepared(text: str) -> tuple[Prepared, ...]:
    """All that the script prepares."""
    return tuple(one for prepares, one in _commands(text) if prepares)


def left_prepared(text: str) -> tuple[Prepared, ...]:
    """Those that it does not end itself."""
    left: dict[str, Prepared] = {}
    for prepares, one in _commands(text):
        if prepares:
            left[one.gid] = one
        else:
            left.pop(one.gid, None)
    return tuple(left.values())


def _commands(text: str) -> Iterator[tuple[bool, Prepared]]:
    """By its tokens, so that it need not be parsed. Nothing where it cannot be scanned: the server runs none of it."""
    if "prepare" not in text.lower():
        return
    from operations.migrations.parser import ParseError, parse_sql, scan
    from operations.migrations.splitting import in_ascii

    plain = in_ascii(text)
    try:
        tokens = [token for token in scan(plain) if token.name not in ("SQL_COMMENT", "C_COMMENT")]
    except ParseError:
        return
    before = ["ASCII_59", *(token.name for token in tokens)]
    for previous, first, second, third in zip(before, tokens, tokens[1:], tokens[2:], strict=False):
        if previous == "ASCII_59" and _FIRST.get(first.name) == second.name and third.name == "SCONST":
            constant = text[third.start : third.end + 1]
            command: Any = parse_sql(f"PREPARE TRANSACTION {constant}")[0].stmt
            yield first.name == "PREPARE", Prepared(command.gid, text.count("\n", 0, first.start) + 1)
