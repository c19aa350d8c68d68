"""Something done again and again for as long as something else takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from operations.errors import LocktenderError


@contextmanager
def meanwhile(
    name: str, interval: float, action: Callable[[], object], *, patience: float | None = None
) -> Iterator[None]:
    """While the block runs, a thread of that name performs ``action``, each time after ``interval`` seconds.

    Its ``LocktenderError`` are passed over: what they are about fails by itself, where the block sees it. One that has
    begun is waited for at the end, ``patience`` seconds at most.
    """
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(interval):
            with suppress(LocktenderError):
                action()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(patience)
