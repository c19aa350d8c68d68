"""How what was measured goes on: samples of the last days, and when a disk will be full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import median

from msgspec import Struct

from operations.context import Context
from operations.errors import LocktenderError
from operations.measures import age_text, size_text
from operations.monitoring.store import memory_of

Samples = tuple[tuple[float, float], ...]
HOUR, DAY = 3600.0, 86400.0
KEPT_FOR = 7 * DAY
FORESEEN = 365 * DAY
"""What lies further ahead is no forecast."""


class Room(Struct, frozen=True):
    """What is ``free`` on a disk, in bytes; in how many seconds that comes to nothing (``left``), if it is known."""

    free: int
    left: float | None
    told: str

    def full_within(self, seconds: float) -> bool:
        """Whether it will be full before that."""
        return self.left is not None and self.left < seconds


def room(context: Context, samples: Samples, directory: str) -> Room:
    """On the server's disk that holds a directory; ``samples`` of what was free."""
    free = context.host.free_bytes(directory)
    left = runs_out(samples, context.clock.now(), free)
    told = f"{size_text(free)} free for {directory}" + (f", full in {age_text(left)}" if left is not None else "")
    return Room(free, left, told)


def trends(context: Context) -> Mapping[str, Samples]:
    """What the monitor has kept, by name; nothing where it never ran, or what it knows cannot be read."""
    try:
        return memory_of(context).load().trends
    except LocktenderError:
        return {}


def sampled(before: Mapping[str, Samples], measured: Iterable[tuple[str, float]], now: float) -> Mapping[str, Samples]:
    """With what was measured now: one sample an hour, for a week. Pure."""
    kept = {
        name: tuple(sample for sample in samples if sample[0] >= now - KEPT_FOR) for name, samples in before.items()
    }
    for name, value in measured:
        samples = kept.get(name, ())
        if not samples or now - samples[-1][0] >= HOUR:
            kept[name] = (*samples, (now, value))
    return {name: samples for name, samples in kept.items() if samples}


def runs_out(samples: Sequence[tuple[float, float]], now: float, value: float) -> float | None:
    """In how many seconds a shrinking value comes to 0; ``None`` where it does not, or a day's samples are lacking.

    The median of all slopes: a clean-up in between, or one day's large dump, does not turn it (Theil and Sen). Pure.
    """
    if not samples or now - samples[0][0] < DAY:
        return None
    points = [*samples, (now, value)]
    slopes = [(later - earlier) / (to - at) for (at, earlier), (to, later) in combinations(points, 2) if to > at]
    pace = median(slopes) if slopes else 0.0
    left = value / -pace if pace < 0 else None
    return left if left is not None and left < FORESEEN else None
