"""An application under way while its database is exchanged: how long it gets no right answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from operations.secret import Secret

QUESTION = "SELECT count(*) FROM orders WHERE id IN (1, 50, 99)"
RIGHT = 3
WRITERS = 3


@dataclass
class Seen:
    """When right answers came, and what else came instead."""

    right: list[float] = field(default_factory=list)
    wrong: int = 0
    failed: int = 0

    @property
    def outage(self) -> float:
        """The longest time in seconds between two right answers."""
        return max((after - before for before, after in zip(self.right, self.right[1:], strict=False)), default=0.0)


@contextmanager
def under_load(url: Secret) -> Iterator[Seen]:
    """A few clients that write all the time and one that asks all the time; all of them reconnect when cut off."""
    seen, over = Seen(), threading.Event()
    workers = [threading.Thread(target=_ask, args=(url, seen, over), daemon=True)]
    workers += [threading.Thread(target=_write, args=(url, over, number), daemon=True) for number in range(WRITERS)]
    for worker in workers:
        worker.start()
    try:
        _await(seen, 20)
        yield seen
        _await(seen, len(seen.right) + 20)
    finally:
        over.set()
        for worker in workers:
            worker.join(30)


def _await(seen: Seen, answers: int) -> None:
    deadline = time.monotonic() + 600
    while len(seen.right) < answers and time.monotonic() < deadline:
        time.sleep(0.02)


def _ask(url: Secret, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        try:
            with psycopg.connect(url.reveal(), autocommit=True, connect_timeout=10) as connection:
                while not over.wait(0.003):
                    row = connection.execute(QUESTION).fetchone()
                    if row and row[0] == RIGHT:
                        seen.right.append(time.monotonic())
                    else:
                        seen.wrong += 1
        except psycopg.Error:
            seen.failed += 1
            time.sleep(0.003)


def _write(url: Secret, over: threading.Event, number: int) -> None:
    while not over.is_set():
        try:
            with psycopg.connect(url.reveal(), autocommit=True, connect_timeout=10) as connection:
                while not over.wait(0.005):
                    number += WRITERS
                    connection.execute(
                        "UPDATE orders SET note = %s WHERE id = %s", (f"note {number}", 100 + number % 97)
                    )
        except psycopg.Error:
            time.sleep(0.01)
