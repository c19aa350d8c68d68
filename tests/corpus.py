"""Real migration histories, where they are at hand: LOCKTENDER_CORPUS, or ../shared/corpus beside the project."""

from __future__ import annotations

import os
from pathlib import Path

from .conftest import missing

HISTORIES = ("hoppscotch", "amplication", "langfuse")
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def corpus(name: str) -> Path:
    """The migrations folder of one history; skips where there is none."""
    folder = Path(os.environ.get("LOCKTENDER_CORPUS", BESIDE)) / name / "migrations"
    if not folder.is_dir():
        missing(f"The migration history {folder}")
    return folder
