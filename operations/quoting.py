"""Names and texts as SQL writes them."""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAME_BYTES = 63
"""PostgreSQL's NAMEDATALEN - 1: longer names are cut silently, so ours are never longer."""


def identifier(*parts: str) -> str:
    """A quoted, dotted name: ``identifier("public", 'a"b')`` is ``"public"."a""b"``."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """A string constant that reads the same whatever ``standard_conforming_strings`` says."""
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return f" E{quoted}" if "\\" in text else quoted


def identifiers(names: Iterable[str]) -> str:
    """Quoted names, comma-separated."""
    return ", ".join(identifier(name) for name in names)


def suffixed(name: str, suffix: str) -> str:
    """``name + suffix`` within PostgreSQL's 63 bytes; the name gives way, never the suffix."""
    room = MAX_NAME_BYTES - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix
