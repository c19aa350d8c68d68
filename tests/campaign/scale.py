"""How much of the campaign is run: LOCKTENDER_CAMPAIGN=1.0 is all of it, 0.1 a tenth (at least one of each)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def scale() -> float:
    return float(os.environ.get("LOCKTENDER_CAMPAIGN", "1.0"))


def count(full: int) -> int:
    """How many of ``full`` trials to run."""
    return max(1, round(full * scale()))


def spread(full: int) -> list[int]:
    """Which of ``full`` cases to run: all, or a sample over the whole range, its two ends included."""
    wanted = min(full, max(2, count(full)))
    return sorted({round(index * (full - 1) / (wanted - 1)) for index in range(wanted)}) if full > 1 else [0]


def crossed(first: Sequence[T], second: Sequence[U]) -> list[tuple[T, U]]:
    """Every pair; of a small campaign one of two to five, so that each of both kinds still has its turn."""
    each = step()
    return [(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if (i + j) % each == 0]


def thinned(cases: Sequence[T]) -> list[T]:
    """Every case; of a small campaign one of two to five."""
    return list(cases[:: step()])


def step() -> int:
    """Of so many cases of a kind one is tried."""
    return 1 if scale() >= 0.5 else 2 if scale() >= 0.25 else 3 if scale() >= 0.1 else 5
