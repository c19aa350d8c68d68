"""Signals that would end this process, held back while something is begun that must not be lost sight of."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Hold:
    """Keeps what arrives until ``release``."""

    def __init__(self) -> None:
        self._arrived: list[int] = []
        self._handlers: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():  # nowhere else do handlers run
            self._handlers = {number: signal.signal(number, self._keep) for number in ENDING}

    def release(self) -> None:
        """Back to the handlers before, which are now told what has arrived; may be called again."""
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        arrived, self._arrived = self._arrived, []
        for number in arrived[:1]:
            signal.raise_signal(number)

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(number)


@contextmanager
def signals_held_back() -> Iterator[Hold]:
    """Nothing interrupts the block until it calls ``release``, or ends.

    A program that has been started, but whose handle an exception has kept from being stored, could never be ended.
    """
    hold = Hold()
    try:
        yield hold
    finally:
        hold.release()
