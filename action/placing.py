"""Write something to GitHub exactly once, although an answer may get lost: look first, then write, then look again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from action.platform import PlatformError

T = TypeVar("T")

ATTEMPTS = 3


def find_or_create(find: Callable[[], T | None], create: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """What ``find`` finds, else what ``create`` makes.

    Where it is not known whether it was made, it is looked for before it is made again. Raises ``PlatformError``.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(attempt)
        found = find()
        if found is not None:
            return found
        try:
            return create()
        except PlatformError as error:
            if not error.maybe_done:
                raise
            doubt = error
    found = find()
    if found is not None:
        return found
    raise doubt


def write_once(done: Callable[[], bool], write: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Write, unless ``done`` says that it was; asked again wherever the answer got lost. Raises ``PlatformError``."""

    def written() -> bool:
        write()
        return True

    find_or_create(lambda: done() or None, written, sleep)
