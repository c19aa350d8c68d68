"""How large and how often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
