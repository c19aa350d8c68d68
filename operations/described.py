"""What is read into structs is read here: msgspec's own functions must not be called by several threads at once.

msgspec describes a struct to itself when something is first read into it. A second thread that comes meanwhile uses
what there is of that, and the process dies of a segmentation fault (msgspec 0.22): so the first one comes alone.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

from msgspec import convert
from msgspec.json import Decoder

T = TypeVar("T")
_DESCRIBING = Lock()


def read_json(text: str, kind: type[T]) -> T:
    """The struct that a JSON text holds; raises ``msgspec.ValidationError``."""
    return _decoder(kind).decode(text)


def read_data(value: Any, kind: type[T]) -> T:
    """The struct that parsed JSON holds; raises ``msgspec.ValidationError``."""
    _decoder(kind)
    return convert(value, kind)


def _decoder(kind: type[T]) -> Decoder[T]:
    with _DESCRIBING:
        return Decoder(kind)
