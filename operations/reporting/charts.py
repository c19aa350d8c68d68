"""Charts as geometry: numbers in, places on a drawing out. ``templates/charts.html.j2`` draws them as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from operations.reporting import text
from operations.reporting.model import Alert, Approval, Backup, MigrationTime, Report, Run, SizePoint

WIDTH, HEIGHT = 720.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 10.0, 16.0, 26.0
"""Room around the plot: for the axis' labels, and for a mark above the highest bar."""
MOST_BARS = 40
WIDEST = 46.0
LABELS = 8
TESTED = ("never restored for a test", "restored for a test")
NICE = (1.0, 2.0, 5.0, 10.0)


class Bar(Struct, frozen=True):
    """A bar; ``part`` is the height of the lower part that is drawn darker. ``kind`` is good, bad or plain."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str
    label: str = ""
    part: float = 0.0


class Tick(Struct, frozen=True):
    """A line across the plot."""

    y: float
    label: str


class Chart(Struct, frozen=True):
    """One drawing; ``description`` says in words what it shows."""

    id: str
    title: str
    description: str
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    line: tuple[tuple[float, float], ...] = ()
    labels: tuple[tuple[float, str], ...] = ()
    omitted: int = 0
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    base: float = HEIGHT - BOTTOM


def deploys(runs: Sequence[Run]) -> Chart | None:
    """How long each run took and, darker, for how long the application was out; oldest first."""
    known = [run for run in reversed(runs) if run.seconds is not None]
    values = [run.seconds or 0.0 for run in known]

    def told(run: Run) -> tuple[str, str, float]:
        out = f", application out for {text.duration(run.downtime_seconds)}" if run.downtime_seconds else ""
        words = f"{text.moment(run.at)} {run.operation}: {text.outcome(run.outcome)}, {text.duration(run.seconds)}{out}"
        return words, "good" if run.good else "bad", run.downtime_seconds or 0.0

    return _bars(
        "deploys",
        "Duration of runs",
        values,
        [told(run) for run in known],
        [text.day(run.at) for run in known],
        _seconds,
    )


def migrations(times: Sequence[MigrationTime]) -> Chart | None:
    """How long each migration took, in the order in which they were applied."""
    known = [time for time in times if time.seconds is not None]
    values = [time.seconds or 0.0 for time in known]
    told = [(f"{time.name}: {text.duration(time.seconds)}", "plain", 0.0) for time in known]
    days = [text.day(time.at) for time in known]
    return _bars("migrations", "Time of migrations", values, told, days, _seconds)


def backups(every: Sequence[Backup]) -> Chart | None:
    """The size of each backup; those that were never restored for a test stand out."""
    known = [one for one in reversed(every) if one.level]
    values = [float(one.bytes) for one in known]
    told = [
        (
            f"{text.moment(one.at)}: {text.size(one.bytes)}, {TESTED[one.level == 'L2']}",
            "good" if one.level == "L2" else "plain",
            0.0,
        )
        for one in known
    ]
    return _bars("backups", "Size of backups", values, told, [text.day(one.at) for one in known], _bytes)


def growth(points: Sequence[SizePoint]) -> Chart | None:
    """The size of the database over time."""
    if len(points) < 2:
        return None
    moments = [datetime.fromisoformat(point.at).timestamp() for point in points]
    ticks, scale = _axis(max(point.bytes for point in points), _bytes)
    span = moments[-1] - moments[0] or 1.0

    def x(moment: float) -> float:
        return LEFT + (moment - moments[0]) / span * (WIDTH - RIGHT - LEFT)

    first, last = points[0], points[-1]
    return Chart(
        id="growth",
        title="Size of the database",
        description=f"From {text.size(first.bytes)} ({text.moment(first.at)}) to {text.size(last.bytes)}.",
        ticks=ticks,
        line=tuple((x(moment), scale(point.bytes)) for moment, point in zip(moments, points, strict=True)),
        labels=((LEFT, text.day(first.at)), (WIDTH - RIGHT, text.day(last.at))),
    )


def approvals(every: Sequence[Approval]) -> Chart | None:
    """How long each request waited for its approval or denial; oldest first."""
    bars = [
        (one.at, one.waited, f"{one.operation}: {one.decision}", "bad" if one.decision == "denied" else "good")
        for one in reversed(every)
        if one.waited is not None
    ]
    return _lasting("approvals", "Time until approved", bars)


def alerts(every: Sequence[Alert]) -> Chart | None:
    """How long each trouble lasted that is over; oldest first."""
    bars = [
        (one.at, one.seconds, f"{one.check}: over", "bad" if one.status == "fail" else "plain")
        for one in reversed(every)
        if one.seconds is not None
    ]
    return _lasting("alerts", "Time to recovery", bars)


def _lasting(id: str, title: str, bars: Sequence[tuple[str, float, str, str]]) -> Chart | None:
    """A bar for each of (moment, seconds, what ended, tone)."""
    told = [(f"{text.moment(at)} {what} after {text.duration(seconds)}", tone, 0.0) for at, seconds, what, tone in bars]
    return _bars(id, title, [bar[1] for bar in bars], told, [text.day(bar[0]) for bar in bars], _seconds)


def drawn(report: Report) -> dict[str, Chart | None]:
    """All charts of a report, by their ids."""
    return {
        "deploys": deploys(report.runs),
        "approvals": approvals(report.approvals or ()),
        "alerts": alerts(report.alerts),
        "migrations": migrations(report.migrations),
        "growth": growth(report.sizes),
        "backups": backups(report.backups),
    }


def _bars(
    id: str,
    title: str,
    values: Sequence[float],
    told: Sequence[tuple[str, str, float]],
    labels: Sequence[str],
    axis: Callable[[float], Iterator[tuple[float, str]]],
) -> Chart | None:
    """The last ``MOST_BARS``; ``told`` holds each bar's words, kind and darker part."""
    if not values:
        return None
    omitted = max(0, len(values) - MOST_BARS)
    values, told, labels = values[omitted:], told[omitted:], labels[omitted:]
    ticks, scale = _axis(max(values), axis)
    slot = min(WIDEST / 0.7, (WIDTH - LEFT - RIGHT) / len(values))
    base, every = HEIGHT - BOTTOM, math.ceil(len(values) / LABELS)
    bars = []
    for number, (value, (words, kind, part)) in enumerate(zip(values, told, strict=True)):
        top = min(scale(value), base - 1.5)
        label = labels[number] if number % every == 0 else ""
        darker = min(base - scale(part), base - top) if part else 0.0
        bars.append(
            Bar(LEFT + slot * (number + 0.15), top, slot * 0.7, base - top, kind, words, label, round(darker, 1))
        )
    longest = told[values.index(max(values))][0]
    return Chart(id, title, f"{len(values)} bars; the highest is {longest}.", ticks, tuple(bars), omitted=omitted)


def _axis(
    highest: float, steps: Callable[[float], Iterator[tuple[float, str]]]
) -> tuple[tuple[Tick, ...], Callable[[float], float]]:
    """Round values from nothing to above the highest, and where a value stands."""
    marks = list(steps(highest or 1.0))
    top, base = marks[-1][0], HEIGHT - BOTTOM

    def scale(value: float) -> float:
        return round(base - value / top * (base - TOP), 1)

    return tuple(Tick(scale(value), label) for value, label in marks), scale


def _seconds(highest: float) -> Iterator[tuple[float, str]]:
    """In milliseconds, seconds, minutes or hours."""
    unit, name = next(
        (one for one in ((3600.0, "h"), (60.0, "min"), (1.0, "s")) if highest >= 2 * one[0]), (0.001, "ms")
    )
    yield from _round_steps(highest, unit, name)


def _bytes(highest: float) -> Iterator[tuple[float, str]]:
    unit, name = next(
        (one for one in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if highest >= one[0]), (1.0, "B")
    )
    yield from _round_steps(highest, unit, name)


def _round_steps(highest: float, unit: float, name: str) -> Iterator[tuple[float, str]]:
    rough = highest / unit / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in NICE if nice * power >= rough * 0.999)
    number = 0
    while True:
        yield number * step * unit, f"{number * step:g} {name}"
        if number * step * unit >= highest:
            return
        number += 1
