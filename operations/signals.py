"""Signals that would end this process: turned into an exception, or held back while something is begun."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SOON = 0.01
"""Seconds until a signal comes once more that was lost."""


def end_cleanly() -> Mapping[int, Any]:
    """The first signal ends the run by an exception, so that it is undone; further ones do not disturb the undoing.

    Returns what handled them before.
    """

    def patience(_number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):  # a terminal that was closed is why we end, maybe
            os.write(2, b"Ending already: what was begun is being undone.\n")

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in ENDING:
            signal.signal(number, patience)
        raise KeyboardInterrupt

    def begin() -> Mapping[int, Any]:
        return {number: signal.signal(number, end) for number in ENDING}

    insist(signal.SIGTERM, KeyboardInterrupt, begin)
    return begin()


def insist(number: int, raised: type[BaseException], before: Callable[[], object] = lambda: None) -> None:
    """The signal comes once more, after ``before``, where what its handler has ``raised`` is lost.

    There are places that Python lets no exception out of (finalisers, callbacks of weak references, of which there are
    many while modules are loaded), and a handler may have to run there.
    """
    tell, main = sys.unraisablehook, threading.main_thread().ident or 0

    def again() -> None:
        time.sleep(SOON)
        signal.pthread_kill(main, number)

    def lost(what: sys.UnraisableHookArgs) -> None:
        if what.exc_type is raised:
            before()
            _thread.start_new_thread(again, ())  # takes no lock, whatever was being done when it came
        else:
            tell(what)

    sys.unraisablehook = lost


def end_with(exit_code: int) -> NoReturn:
    """The end of a program that is run by ``python -m``.

    Python notes an interrupt that leaves an ``exec``, as it comes while a dataclass is being made, and would then end
    by SIGINT in place of the exit code; the next one makes it forget.
    """
    exec("")  # noqa: S102
    sys.exit(exit_code)


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
