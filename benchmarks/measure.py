"""Whole processes, timed from outside: wall seconds and the largest resident size."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIMIT = 1800.0
"""Seconds after which a measured program is ended."""
WATCHED = """
import json, os, signal, sys, time
told = int(sys.argv[1])
os.set_inheritable(told, False)
began = time.perf_counter()
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ))
_, status, usage = os.wait4(process, 0)
seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
os.write(told, json.dumps([seconds, os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024, cpu]).encode())
"""
"""A small process between us and the measured one: Linux says of none that it was less large than who started it."""


class BenchmarkFailed(Exception):
    """A measured program failed, so there is nothing to compare."""


class NotMeasured(Exception):
    """This machine lacks a part that the measurement needs."""


@dataclass(frozen=True)
class Timed:
    """One process that ended well. ``rss`` is bytes, of the largest of it and the children that it waited for.

    ``cpu`` is seconds, user's and system's, of all of them together.
    """

    seconds: float
    rss: int
    stdout: str
    cpu: float


def timed(argv: Sequence[str], env: Mapping[str, str], cwd: Path, codes: Iterable[int] = (0,)) -> Timed:
    """Run a program to its end; raises ``BenchmarkFailed`` for an exit status that is not in ``codes``."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, os.fdopen(reading, "rb") as told:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCHED, str(writing), *argv],
            env={**os.environ, **env}, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            pass_fds=(writing,), start_new_session=True,
        )  # fmt: skip
        os.close(writing)
        with _ended_after(LIMIT, process):
            measured = told.read()
            process.wait()
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    seconds, code, rss, cpu = json.loads(measured or "[0, null, 0, 0]")
    if code not in codes:
        raise BenchmarkFailed(f"{' '.join(argv)[:300]}: exit {code}\n{stdout[-2000:]}\n{stderr[-2000:]}")
    return Timed(seconds, rss, stdout, cpu)


@contextmanager
def _ended_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """With all that it has started; also where we are interrupted."""
    timer = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Sample:
    """Several runs of one thing."""

    seconds: tuple[float, ...]
    rss: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        spread = f" ({min(self.seconds):.2f}–{max(self.seconds):.2f})" if len(self.seconds) > 1 else ""
        return f"{self.median:.2f} s{spread}"


def side_by_side(runs: int, ways: Mapping[str, Callable[[], Timed]]) -> dict[str, Sample]:
    """Run every way in turn, ``runs`` times, so that a busy moment of the machine meets all of them."""
    times: dict[str, list[Timed]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            times[name].append(way())
    return {
        name: Sample(tuple(one.seconds for one in made), max(one.rss for one in made)) for name, made in times.items()
    }
