"""Visitors of a web application while a new version of it is deployed: what they are answered, and for how long not."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from .measure import BenchmarkFailed

PATIENCE = 2.0
"""Seconds until a visitor gives up waiting and asks anew."""
VISITORS = (
    ("GET", "/orders/count", 0.01),
    ("GET", "/health", 0.01),
    ("POST", "/orders", 0.05),
    ("POST", "/orders", 0.05),
)
"""Method, path, and the seconds from an answer to the next request."""
ENOUGH = 40


@dataclass
class Seen:
    """What readers were answered and when, in seconds; and of all requests those that failed."""

    answers: list[tuple[float, bool]] = field(default_factory=list)
    asked: int = 0
    failed: int = 0
    placed: int = 0
    """Orders that were confirmed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, well: bool, reader: bool) -> None:
        with self._lock:
            self.asked += 1
            self.failed += not well
            self.placed += well and not reader
            if reader:
                self.answers.append((time.monotonic(), well))

    @property
    def outages(self) -> list[float]:
        """Times without a right answer in which a reader got a wrong one or none; without that it is only slow."""
        with self._lock:
            right = [number for number, (_, well) in enumerate(self.answers) if well]
        gaps = ((before, after) for before, after in pairwise(right) if after > before + 1)
        return [self.answers[after][0] - self.answers[before][0] for before, after in gaps]


@contextmanager
def visiting(port: int) -> Iterator[Seen]:
    """Two that read and two that place orders, each on a new connection every time, as after a deploy they must."""
    seen, over = Seen(), threading.Event()
    workers = [threading.Thread(target=_visit, args=(port, *way, seen, over), daemon=True) for way in VISITORS]
    for worker in workers:
        worker.start()
    try:
        _await(seen, ENOUGH)
        yield seen
        _await(seen, ENOUGH)
    finally:
        over.set()
        for worker in workers:
            worker.join(30)


def _await(seen: Seen, answers: int) -> None:
    """Until that many more right answers came."""
    since, deadline = len(seen.answers), time.monotonic() + 60
    while sum(well for _, well in seen.answers[since:]) < answers:
        if time.monotonic() > deadline:
            raise BenchmarkFailed("The application does not answer its visitors.")
        time.sleep(0.05)


def _visit(port: int, method: str, path: str, pause: float, seen: Seen, over: threading.Event) -> None:
    while not over.wait(pause):
        seen.saw(_answered(port, method, path), reader=method == "GET")


def _answered(port: int, method: str, path: str) -> bool:
    """Whether the answer was a right one: of success, and with something in it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status in (200, 201) and any(json.load(response).values())
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
