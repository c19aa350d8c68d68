"""Writes docs/reliability.md from what the campaign last found: ``python -m tests.campaign.report``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from .results import DIRECTORY, ROOT

TARGET = ROOT / "docs" / "reliability.md"
HEAD = """# Reliability

What was done to Locktender on purpose, and what stood afterwards. This page is written by
`python -m tests.campaign.report` from the results of `make campaign`; nothing of it is typed by hand.

A trial runs the whole real program as a child process against a real PostgreSQL, interrupts it, and then compares
the live database with the two states that may stand: the one before the run and the one after an undisturbed run,
by the schema that `pg_dump -s` prints, by a hash over every row of every table, by the migration history and by the
database's own properties. It fails if the live name does not answer, if any other state stands (files that commit one
by one may leave one *in between until settled* by the next run, and `status` must then say so), if `status` or the
exit status tells another story, if a half-written directory passes for a backup, or if the next run leaves a scratch
database, a lock or a partial backup behind. A failed trial fails its part of the campaign, which then is
not in the tables: they hold no failures, and lack what has failed or was not run.

A trial of *existing rows* compares what a plan says beforehand of the rows that are there with what comes of applying
the migration: to random tables and demands, with and without other statements before them, and to real histories, up to
four migrations at a time. Its precision is the share of what was said to fail that failed; anything below 1 fails the
campaign. Its recall is the share of what failed that was said; what was *not tried* was said to be so.
"""


def records() -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(DIRECTORY.glob("*.json"))]
    return sorted(found, key=lambda record: (record["group"], record["name"], record["server"]))


def page(found: list[dict[str, Any]]) -> str:
    lines = [HEAD, *_provenance(found), "## In sum\n", *_sums(found)]
    for group, members in groupby(found, key=lambda record: record["group"]):
        lines += [f"\n## {group.capitalize()}\n", *_table(list(members))]
    return "\n".join(lines) + "\n"


def _provenance(found: list[dict[str, Any]]) -> list[str]:
    times = [record["when"] for record in found]
    first, last = (f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M}" for when in (min(times), max(times)))
    scales = sorted({record["scale"] for record in found})
    scale = " to ".join(f"{value:g}" for value in dict.fromkeys((scales[0], scales[-1])))
    return [
        f"Run between {first} and {last} UTC at scale {scale} of the full counts (LOCKTENDER_CAMPAIGN); commits"
        f" {', '.join(sorted({record['commit'] for record in found}))}; {found[-1]['machine']}.\n"
    ]


def _sums(found: list[dict[str, Any]]) -> list[str]:
    lines = ["| kind of trial | trials |", "|---|---:|"]
    for group, members in groupby(found, key=lambda record: record["group"]):
        lines.append(f"| {group} | {sum(member['trials'] for member in members)} |")
    return lines


def _table(members: list[dict[str, Any]]) -> list[str]:
    lines = ["| what | server | trials | what stood | figures |", "|---|---|---:|---|---|"]
    for member in members:
        outcomes = _joined(f"{outcome}: {number}" for outcome, number in sorted(member["outcomes"].items()))
        figures = _joined(f"{name}: {value:g}" for name, value in sorted(member["figures"].items()))
        lines.append(f"| {member['name']} | {member['server']} | {member['trials']} | {outcomes} | {figures} |")
    return lines


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def main() -> int:
    found = records()
    if not found:
        print(f"There are no results in {DIRECTORY}; run make campaign first.", file=sys.stderr)
        return 1
    Path(TARGET).write_text(page(found))
    print(f"{TARGET} written: {sum(record['trials'] for record in found)} trials.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
