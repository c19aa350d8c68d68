"""Words that several rules use. Whatever comes from a file is cut: it may be as long as its author likes."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 80
_MOST = 20


def named(what: str, names: Sequence[str]) -> str:
    """``column a``, or ``columns a, b``; ``Column`` gives ``Columns``."""
    plural = f"{what}es" if what.endswith("x") else f"{what}s"
    return f"{what if len(names) == 1 else plural} {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """The first of them, and how many there are besides."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(short(name) for name in names[:_MOST]) + more


def short(text: str) -> str:
    """At most a line's worth of it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
