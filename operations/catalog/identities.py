"""The identities under which ``catalog`` knows objects, taken apart: ``column public."User".email``. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

KINDS = (
    "materialized view", "foreign table", "text search configuration", "text search dictionary", "text search parser",
    "text search template", "operator class", "operator family", "access method", "default privileges",
    "foreign data wrapper", "foreign server", "event trigger", "user mapping for", "transform for", "security label",
)  # fmt: skip
"""Those of more than one word."""
_PART = re.compile(r'("(?:[^"]|"")*"|[^.]*)(?:\.|$)')
_ON_TABLE = re.compile(r' ON (?:ONLY )?((?:"(?:[^"]|"")*"|[^".\s]+)\.(?:"(?:[^"]|"")*"|[^".\s]+)) ')


class Identity(Struct, frozen=True):
    """``kind`` and ``name``; ``parts`` is the name's dotted parts, quoted as they are."""

    kind: str
    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Of names without arguments."""
        return tuple(match[1] for match in _PART.finditer(self.name) if match[0])

    @property
    def table(self) -> str:
        """Of what belongs to a table: the table."""
        return ".".join(self.parts[:-1])

    @property
    def last(self) -> str:
        """The own name."""
        return self.parts[-1]


def identity(text: str) -> Identity:
    """Take one apart."""
    if text.startswith("columns of "):
        return Identity("columns", text.removeprefix("columns of "))
    for kind in KINDS:
        if text.startswith(f"{kind} "):
            return Identity(kind, text[len(kind) + 1 :])
    kind, _, name = text.partition(" ")
    return Identity(kind, name)


def table_of_index(definition: str) -> str | None:
    """The table in an index's ``CREATE INDEX … ON schema.table USING …``."""
    match = _ON_TABLE.search(definition)
    return match[1] if match else None


def plain(part: str) -> str:
    """A part of a name without its quotes."""
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
