"""What each part measured last, kept beside the page, so that one part can be measured anew without the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .report import Goal, Section


@dataclass(frozen=True)
class Measured:
    """``when`` is one line: the day, what was measured, and on what machine."""

    when: str
    sections: Sequence[Section]


def load(path: Path) -> dict[str, Measured]:
    """By the parts' names; empty where nothing was kept yet."""
    if not path.exists():
        return {}
    return {
        part: Measured(one["when"], _sections(one["sections"])) for part, one in json.loads(path.read_text()).items()
    }


def save(path: Path, parts: dict[str, Measured]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({part: asdict(one) for part, one in parts.items()}, indent=1, ensure_ascii=False) + "\n")


def _sections(found: list[dict[str, object]]) -> list[Section]:
    return [Section(**{**one, "goals": [Goal(**goal) for goal in one["goals"]]}) for one in found]  # type: ignore[attr-defined, arg-type]
