"""Progress on stderr: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cli.screen import cleaned
from operations.measures import size_text
from operations.ports import Progress
from operations.secret import Secret, redact

if TYPE_CHECKING:
    import rich.progress

LINE_INTERVAL = 5.0
"""Seconds between two lines in a log; the steps of a run are told in any case."""
STEPS = "steps"
"""The unit in which a run counts its own steps."""
IN_PERCENT = ("bytes", "rows")
_UNSEEN = (OSError, SystemExit)
"""The terminal was closed, the pipe's reader is gone (rich then ends the program), the log's disk is full."""


class Reporter:
    """A ``Report``: may be called from any thread; shows nothing until there is something."""

    def __init__(self, *, quiet: bool, color: bool | None, secrets: tuple[Secret, ...] = ()) -> None:
        self._quiet = quiet
        self._secrets = secrets
        self._color = color
        self._terminal = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._bars: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None
        self._began: dict[str, float] = {}
        self._told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._quiet:
            return
        label = cleaned(redact(progress.label, self._secrets))  # what a build prints is not ours
        progress = replace(progress, label=label)
        with self._lock:
            try:
                if self._terminal:
                    self._show(progress)
                else:
                    self._tell(progress, time.monotonic())
            except _UNSEEN:  # no run fails for want of someone who looks on, least of all its way back
                self._quiet = True

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            if self._bars:
                with suppress(*_UNSEEN):
                    self._bars.stop()
                self._bars = self._task = None

    def _show(self, progress: Progress) -> None:
        if self._bars is None:
            self._bars = _bars(self._color)
            self._bars.start()
        if progress.unit == STEPS:
            self._bars.console.print(line(progress, 0))
            self._drop_bar()
            return
        if self._task is None:
            self._task = self._bars.add_task(progress.label, total=None)
        self._bars.update(
            self._task,
            description=progress.label,
            completed=progress.done,
            total=progress.total or None,
            unit=progress.unit,
        )

    def _drop_bar(self) -> None:
        if self._bars and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def _tell(self, progress: Progress, now: float) -> None:
        began = self._began.setdefault(progress.label, now)
        if progress.unit != STEPS and now - self._told < LINE_INTERVAL:
            return
        self._told = now
        sys.stderr.write(line(progress, now - began) + "\n")
        sys.stderr.flush()


def line(progress: Progress, elapsed: float) -> str:
    """One line for a log: ``dump: 40 % of 1.1 GB, 12.0 MB/s, 0:55 left``, ``[3/5] apply``."""
    if progress.unit == STEPS:
        return f"[{progress.done + 1}/{progress.total}] {progress.label}"
    if progress.unit not in IN_PERCENT:
        far = f" ({progress.done} of {progress.total} {progress.unit})" if progress.total else ""
        return f"{progress.label}{far}"
    parts = []
    if progress.total:
        parts.append(f"{100 * progress.done // progress.total} % of {amount(progress.total, progress.unit)}")
    elif progress.done:
        parts.append(amount(progress.done, progress.unit))
    if progress.done and elapsed >= 1:
        rate = progress.done / elapsed
        parts.append(f"{amount(rate, progress.unit)}/s")
        if progress.total > progress.done:
            left = int((progress.total - progress.done) / rate)
            parts.append(f"{left // 60}:{left % 60:02} left")
    return progress.label + (": " if parts else "") + ", ".join(parts)


def amount(number: float, unit: str) -> str:
    """``1.1 GB`` for bytes, ``12,000 rows`` for everything else."""
    return size_text(number) if unit == "bytes" else f"{number:,.0f} {unit}"


def _bars(color: bool | None) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Amount(ProgressColumn):
        """Done, total and rate in the task's own unit."""

        def render(self, task: Task) -> Text:
            unit = str(task.fields.get("unit", "bytes"))
            if not task.total:
                return Text(amount(task.completed, unit) if task.completed else "")
            rate = f"  {amount(task.speed, unit)}/s" if task.speed and unit in IN_PERCENT else ""
            return Text(f"{amount(task.completed, unit)} of {amount(task.total, unit)}{rate}")

    console = Console(stderr=True, no_color=True if color is False else None, markup=False, highlight=False)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Amount(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
