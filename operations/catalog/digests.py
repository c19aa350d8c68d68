"""A catalog of which only so much is kept that another one can be compared with it: 16 bytes an object. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b


class Digests:
    """Of each object 64 bits of its identity and 64 of its definition, and whether it was met again.

    Two of a hundred thousand objects are taken for one once in a few thousand million catalogs.
    """

    def __init__(self, objects: Iterable[tuple[str, str]]) -> None:
        """``objects``: identities and definitions, read once, in any order."""
        identities, definitions = array("Q"), array("Q")
        for identity, definition in objects:
            identities.append(_digest(identity))
            definitions.append(_digest(definition))
        order = sorted(range(len(identities)), key=identities.__getitem__)
        self._identities = array("Q", (identities[at] for at in order))
        self._definitions = array("Q", (definitions[at] for at in order))
        self._met = bytearray(len(order))

    def meet(self, identity: str, definition: str) -> bool:
        """Whether this very object is among them; it is then known to be met."""
        at = self._place(identity)
        if at is None or self._definitions[at] != _digest(definition):
            return False
        self._met[at] = True
        return True

    def met(self, identity: str) -> bool:
        """Whether it was met as it is."""
        at = self._place(identity)
        return at is not None and bool(self._met[at])

    def forget(self) -> None:
        """None is met as yet."""
        self._met = bytearray(len(self._met))

    def _place(self, identity: str) -> int | None:
        digest = _digest(identity)
        at = bisect_left(self._identities, digest)
        return at if at < len(self._identities) and self._identities[at] == digest else None


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())
