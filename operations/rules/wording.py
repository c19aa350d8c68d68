"""Words that several rules use."""

from __future__ import annotations

from collections.abc import Sequence


def named(what: str, names: Sequence[str]) -> str:
    """``column a``, or ``columns a, b``; ``Column`` gives ``Columns``."""
    plural = f"{what}es" if what.endswith("x") else f"{what}s"
    return f"{what if len(names) == 1 else plural} {', '.join(names)}"
