"""``python -m benchmarks [--megabytes N] [--runs N] [--only PART]``: measure, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import ack, applying, backups, downtime, lint, many_tables, memory, newcomer, over_ssh, validating
from .measure import NotMeasured
from .report import page, when
from .results import Measured, load, save
from .servers import ROOT
from .settings import Scope

PARTS = {
    "applying": applying.sections,
    "validating": validating.sections,
    "over_ssh": over_ssh.sections,
    "downtime": downtime.sections,
    "backups": backups.sections,
    "memory": memory.sections,
    "many_tables": many_tables.sections,
    "lint": lint.sections,
    "ack": ack.sections,
    "newcomer": newcomer.sections,
}
TARGET = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1100, help="size of each database (1100)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each backup, restore and deploy (3)")
    parser.add_argument("--only", choices=PARTS, action="append", help="only these parts; the others stay on the page")
    parser.add_argument("--quick", action="store_true", help="60 MB, one run; nothing is written")
    parser.add_argument("--out", type=Path, default=TARGET, help="where to write; a .json of all results lies beside")
    chosen = parser.parse_args()
    size, runs = (60, 1) if chosen.quick else (chosen.megabytes, chosen.runs)
    kept = chosen.out.with_suffix(".json")
    found = {} if chosen.quick else load(kept)
    for name in chosen.only or PARTS:
        measured = _measured(name, size, runs)
        if measured:
            found[name] = measured
            if not chosen.quick:  # after each part: what comes later may fail
                save(kept, found)
    text = page({name: (found[name].when, found[name].sections) for name in PARTS if name in found})
    if chosen.quick:
        print(text)
    else:
        chosen.out.write_text(text)
        print(f"{chosen.out} written.")
    return 0


def _measured(name: str, megabytes: int, runs: int) -> Measured | None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="locktender-bench-") as work:
        try:
            sections = PARTS[name](Scope(megabytes, runs, Path(work)))
        except NotMeasured as lack:
            print(f"{name} is left out: {lack}", file=sys.stderr, flush=True)
            return None
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return Measured(when(megabytes, runs), sections)


if __name__ == "__main__":
    sys.exit(main())
