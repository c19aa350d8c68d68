"""How large and how often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Scope:
    """``megabytes`` of each database; below ``FULL`` goals of size are not judged. ``work`` is for scratch files."""

    megabytes: int
    runs: int
    work: Path

    FULL = 1000

    @property
    def judged(self) -> bool:
        return self.megabytes >= self.FULL

    def choose(self, full: T, small: T) -> T:
        """How often or how much, of what does not grow with the database."""
        return full if self.judged else small
