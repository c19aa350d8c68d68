"""What somebody drops while it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from operations.errors import StatementFailed

ATTEMPTS = 10
VANISHED = ("XX000", "42P01", "42704", "42883", "3F000")
"""What PostgreSQL says of an object that is in its catalogs no more: its own functions that describe one, too."""

T = TypeVar("T")


def despite_drops(read: Callable[[], T]) -> T:
    """What ``read`` finds once nothing is dropped under its hands; raises its ``StatementFailed``."""
    for _ in range(ATTEMPTS - 1):
        try:
            return read()
        except StatementFailed as error:
            if error.sqlstate not in VANISHED:
                raise
    return read()
