"""Structs that several threads may read into at once."""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

from msgspec.json import Decoder

T = TypeVar("T")
_DESCRIBING = Lock()


def described(kind: type[T]) -> type[T]:
    """The same, ready for ``msgspec.convert`` and ``msgspec.json.decode``.

    msgspec describes a struct to itself when something is first read into it. A second thread that comes meanwhile uses
    what there is of that, and the process dies of a segmentation fault (msgspec 0.22): so the first one comes alone.
    """
    with _DESCRIBING:
        Decoder(kind)
    return kind
