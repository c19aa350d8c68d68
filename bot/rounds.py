"""Work that is done in rounds, in threads of its own: it goes on whatever goes wrong, and ends when it is told to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.github import GithubAway
from bot.slack import SlackBusy
from operations.errors import LocktenderError

FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
"""Seconds after a round that went wrong; twice as many after each further one in a row."""
PATIENCE = 30.0
"""Seconds that who stops them waits for what is under way."""
logger = logging.getLogger("locktender.bot")


@dataclass
class Rounds:
    """``start`` works in the background until ``stop``. ``once`` says True where there is more to do at once."""

    name: str
    once: Callable[[], bool | None]
    interval: float
    """Seconds between two rounds of a thread that has found nothing more."""
    threads: int = 1
    """How many do the same; they begin one after the other, so that one of them is always about to look."""
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        for number in range(self.threads):
            wait = self.interval * number / self.threads
            thread = threading.Thread(target=self._run, args=(wait,), name=self.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End: at once where nothing is under way, otherwise after that."""
        self._stopping.set()
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _run(self, wait: float) -> None:
        failed = 0
        while not self._stopping.wait(wait):
            try:
                wait = 0.0 if self.once() else self.interval
                failed = 0
            except Exception as error:  # noqa: BLE001 - nobody would know of a thread that has ended
                failed += 1
                wait = max(self.interval, _pause(error), min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failed - 1, 10)))
                self._tell(error, wait)

    def _tell(self, error: Exception, wait: float) -> None:
        if isinstance(error, LocktenderError):
            logger.warning("%s: %s Tried again in %.0f s.", self.name, error.message, wait)
        else:
            logger.error("%s: an error of its own; tried again in %.0f s", self.name, wait, exc_info=error)


def _pause(error: Exception) -> float:
    """Seconds for which whoever was asked wants to be left alone."""
    return (error.seconds or 0.0) if isinstance(error, SlackBusy | GithubAway) else 0.0
