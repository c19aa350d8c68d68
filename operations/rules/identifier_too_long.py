"""Names that PostgreSQL cuts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from operations.quoting import MAX_NAME_BYTES
from operations.rules.model import Found, Rule
from operations.rules.places import tokens
from operations.rules.source import Source
from operations.rules.wording import short

_PERHAPS = re.compile(r'"[^"]{16,}"|\w{16,}')
"""A letter has at most four bytes."""


def _check(source: Source) -> Iterator[Found]:
    """By the scanner: in the parse tree names are cut already."""
    if not any(len(match.group().encode()) > MAX_NAME_BYTES for match in _PERHAPS.finditer(source.text)):
        return
    told: set[str] = set()
    for token in tokens(source.text):
        written = source.text[token.start : token.end + 1]
        name = written[1:-1].replace('""', '"') if written.startswith('"') else written
        if token.name == "IDENT" and len(name.encode()) > MAX_NAME_BYTES and name not in told:
            told.add(name)
            yield Found(
                f"{short(name)} has {len(name.encode())} bytes; PostgreSQL cuts it after {MAX_NAME_BYTES}.",
                offset=token.start,
            )


RULE = Rule(
    name="identifier-too-long",
    severity="warning",
    problem="PostgreSQL cuts names after 63 bytes without an error; code that uses the whole name does not find it.",
    help="Choose a shorter name (Prisma: map).",
    check_file=_check,
)
