"""squawk, the usual linter for PostgreSQL migrations, as a measured process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import NotMeasured, timed
from .servers import CACHE, ROOT

TARGET = CACHE / "squawk"
PROGRAM = TARGET / "bin" / "squawk"


@dataclass(frozen=True)
class Theirs:
    """One finding; lines are 1-based."""

    rule: str
    line: int
    end_line: int
    message: str


def install() -> None:
    """Raises ``NotMeasured`` where it cannot be had."""
    if PROGRAM.exists():
        return
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes"),
            *("--target", str(TARGET), "-r", str(ROOT / "benchmarks" / "requirements-squawk.txt")),
        ],
        stdin=subprocess.DEVNULL,
        timeout=600,
        check=False,
    )
    if completed.returncode or not PROGRAM.exists():
        raise NotMeasured("squawk could not be installed")


def findings(files: Sequence[Path]) -> tuple[dict[Path, list[Theirs]], float]:
    """By file, with its default rules; and the seconds that one process took for all of them."""
    run = timed([str(PROGRAM), "--reporter", "json", *map(str, files)], {"HOME": os.devnull}, ROOT, codes=(0, 1))
    found: dict[Path, list[Theirs]] = {file: [] for file in files}
    for one in json.loads(run.stdout):
        found[Path(one["file"])].append(Theirs(one["rule_name"], one["line"] + 1, one["line_end"] + 1, one["message"]))
    return found, run.seconds
