"""``python -m benchmarks [--megabytes N] [--runs N] [--only PART]``: measure, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import applying, backups, memory
from .report import page
from .servers import ROOT
from .settings import Scope

PARTS = {"applying": applying.sections, "backups": backups.sections, "memory": memory.sections}
TARGET = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1100, help="size of each database (1100)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each backup and restore (3)")
    parser.add_argument("--only", choices=PARTS, action="append", help="only these parts; nothing is written then")
    parser.add_argument("--quick", action="store_true", help="60 MB, one run; nothing is written")
    parser.add_argument("--out", type=Path, default=TARGET, help="where to write")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="locktender-bench-") as work:
        size, runs = (60, 1) if chosen.quick else (chosen.megabytes, chosen.runs)
        scope = Scope(size, runs, Path(work))
        sections = []
        for name in chosen.only or PARTS:
            began = time.monotonic()
            sections += PARTS[name](scope)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    text = page(sections, size, runs)
    if chosen.quick or chosen.only:
        print(text)
    else:
        chosen.out.parent.mkdir(exist_ok=True)
        chosen.out.write_text(text)
        print(f"{chosen.out} written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
