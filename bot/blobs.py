"""Files of which it is known what they hold: git calls them by their content. Bounded by what they take up."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST = 64 * 1024**2
EACH = 200
"""Bytes that one takes up besides its content, about."""
Key = tuple[str, str]
"""Repository, and git's name of the content."""


class Blobs:
    """Those that were asked for last, ``most`` bytes of them. Threads may share it."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._known: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> bytes | None:
        """The content, if it is known."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def put(self, key: Key, content: bytes) -> None:
        """Remember it, and forget as much as must be; what is larger than all may be is not remembered."""
        with self._lock:
            if key in self._known:
                return
            self._known[key] = content
            self._size += len(content) + EACH
            while self._size > self._most:
                _, old = self._known.popitem(last=False)
                self._size -= len(old) + EACH
