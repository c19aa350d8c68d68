"""Lines that the runner obeys (workflow commands), and their escaping. Pure.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands. There is no ``add-mask`` among
them: it would write the secret to stdout first. Every text is redacted before it is written instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Level = Literal["error", "warning", "notice"]
LEVELS: tuple[Level, ...] = ("error", "warning", "notice")
MOST_OF_A_LEVEL = 10
"""The runner drops annotations of a step beyond this number for each level."""
LONGEST = 4096
"""Characters of an annotation that are kept."""


def data(text: str) -> str:
    """Escaped for what follows the second ``::``."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """Escaped for a property, before the second ``::``."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def command(name: str, text: str = "", properties: Mapping[str, object] | None = None) -> str:
    """``::error file=a.sql,line=1::message``; properties without a value are left out."""
    given = ",".join(f"{key}={value(str(one))}" for key, one in (properties or {}).items() if one)
    return f"::{name}{' ' + given if given else ''}::{data(text)}"


def stop(token: str) -> str:
    """From here on the runner obeys nothing, until ``resume`` with the same token."""
    return command("stop-commands", token)


def resume(token: str) -> str:
    """The runner obeys again."""
    return f"::{token}::"


def annotation(level: Level, text: str, properties: Mapping[str, object]) -> str:
    """A message that GitHub shows beside a line of a file."""
    return command(level, text[:LONGEST], properties)
