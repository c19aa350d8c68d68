"""Sizes and times as people read them."""

from __future__ import annotations


def size_text(number: float) -> str:
    """``1.5 GB``, in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def age_text(seconds: float) -> str:
    """``3 h``: how long ago, in the largest unit that still says something."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, what: str) -> str:
    """``1 table``, ``2 tables``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
