"""What a check has to work with, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Literal

from msgspec import Struct

from operations.catalog.ddl import Restated
from operations.context import Context
from operations.ports import Session
from operations.read_only import read_only
from operations.settings import Checks

Status = Literal["ok", "warn", "fail"]
SHOWN = 5
"""So many names are listed; of more, the number."""


class Check(Struct, frozen=True):
    """One finding: ``detail`` what is so, ``why`` it matters, ``fix`` what to type; the last two are empty when ok.

    ``value`` is what was measured, if it is a number: seconds, bytes, a share of 1, or a count, as it fits the check.
    """

    name: str
    status: Status
    detail: str
    why: str = ""
    fix: str = ""
    value: float | None = None
    subject: str = ""
    """Which machine it is about, where there are several."""
    ddl: tuple[Restated, ...] = ()
    """How the schema differs from the recorded one, as SQL."""


class Probe(Struct, frozen=True):
    """A session to look around with."""

    context: Context
    session: Session

    @property
    def limits(self) -> Checks:
        """From where on something is worth telling."""
        return self.context.environment.checks

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction in which nothing takes long."""
        return read_only(self.session)


Look = Callable[[Probe], Iterable[Check]]


def listed(names: Iterable[str]) -> str:
    """The first few names and how many more there are."""
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
