"""A server for trying migrations out that stays for all tests of a worker."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class Kept:
    """``Trials`` on one server; the base is built again only where it is not the one of the test before."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial
        self._trial.spare = False
        self._landed: list[str] = []

    @contextmanager
    def open(self, landed: Sequence[str], schema: str | None = None) -> Iterator[Any]:
        self._trial.ready = len(landed) - 1 if self._landed == list(landed) else None
        self._trial.troubles, self._trial.schema = (), schema
        self._landed = list(landed)
        try:
            yield self._trial
        finally:
            self._trial.limit(math.inf)  # until the next test wants it
