"""The page that the measurements make."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Goal:
    """A promise and what was measured; ``met`` is ``None`` where the size was too small to say."""

    what: str
    promised: str
    measured: str
    met: bool | None


@dataclass
class Section:
    """One table with a few words before it, and the goals that it speaks to."""

    title: str
    words: str
    columns: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)


HEAD = """# Benchmarks

Written by `make bench`; nothing here is typed by hand. Everything is measured as whole
processes, our way and the usual way in turn on the same server, so that the ratios hold even where this machine is
slow. Seconds are medians, with the range of all runs in parentheses. `python -m benchmarks --only PART` measures one
part anew; the others stay as they were measured:
"""


def page(parts: Mapping[str, tuple[str, Sequence[Section]]]) -> str:
    """``parts``: by name, when each was measured and what came of it."""
    sections = [section for _, found in parts.values() for section in found]
    lines = [HEAD]
    for when in dict.fromkeys(when for when, _ in parts.values()):
        names = ", ".join(f"`{name}`" for name, (then, _) in parts.items() if then == when)
        lines.append(f"- {names}: {when}")
    lines += ["\n## Goals\n", "| goal | promised | measured | |", "|---|---|---|---|"]
    for section in sections:
        for goal in section.goals:
            mark = {True: "met", False: "**not met**", None: "too small to say"}[goal.met]
            lines.append(f"| {goal.what} | {goal.promised} | {goal.measured} | {mark} |")
    for section in sections:
        lines += [f"\n## {section.title}\n", section.words]
        if section.rows:
            lines += ["", f"| {' | '.join(section.columns)} |", "|---" * len(section.columns) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in section.rows]
    return "\n".join(lines) + "\n"


def when(megabytes: int, runs: int) -> str:
    """One line that says what was measured, and on what."""
    today = f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {machine()}"
    return f"{today}; databases of {megabytes} MB, {runs} run{'s' * (runs != 1)} each"


def machine() -> str:
    """What it ran on: cores, memory, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}"


def _commit() -> str:
    completed = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return completed.stdout.strip() or "unknown"
