"""The end of a text that may grow without bound."""

from __future__ import annotations


class Tail:
    """Keeps the last ``most`` characters; twice as many are held at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[str] = []
        self._length = 0

    def add(self, part: str) -> None:
        """Append; what came first is forgotten now and then, not each time."""
        self._parts.append(part)
        self._length += len(part)
        if self._length > 2 * self._most:
            self._parts = [self.text]
            self._length = len(self._parts[0])

    @property
    def text(self) -> str:
        """The last characters."""
        return "".join(self._parts)[-self._most :]
