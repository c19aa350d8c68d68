"""What is tried, and what came of it. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from operations.measures import counted

Kind = Literal["not null", "new column", "unique", "foreign key", "check", "cast", "partition"]
BOUND = 1000
"""Rows, or values that are there more than once, up to which they are counted."""


class Spot(Struct, frozen=True):
    """A part of a statement: line and column are 1-based; ``table`` is as SQL writes it."""

    file: str
    line: int
    column: int
    statement: str
    table: str


class Probe(Struct, frozen=True):
    """A question to the rows, and what is wrong with those that it finds.

    ``wrong`` is said before "in so many rows". ``sql`` yields how many, and whether there may be more of them; where it
    is a ``trial``, the cast itself, an error is the answer, and ``counted`` yields the numbers then, where that can be
    done. ``look`` shows them to a person.
    """

    spot: Spot
    kind: Kind
    wrong: str
    sql: str
    look: str
    trial: bool = False
    counted: str | None = None


class Failing(Struct, frozen=True):
    """What existing rows would make fail. ``rows``: ``None`` where only the first one is known of; ``more``: at least.

    ``query`` shows them. No value of a row is in any of it.
    """

    file: str
    line: int
    column: int
    statement: str
    table: str
    kind: Kind
    wrong: str
    rows: int | None
    more: bool
    query: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.statement}: {self.wrong} in {self._rows} of {self.table}"

    @property
    def _rows(self) -> str:
        if self.rows is None:
            return "at least one row"
        return counted(self.rows, "or more row" if self.more else "row")


class Untried(Struct, frozen=True):
    """What rows could make fail, and was not tried, or not to its end; ``why`` says so."""

    file: str
    line: int
    column: int
    statement: str
    table: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.statement} {self.table}: {self.why}"


class Foreseen(Struct, frozen=True):
    """What was found of all that existing rows could make fail; ``passed``: how much of it they would not."""

    failing: tuple[Failing, ...] = ()
    untried: tuple[Untried, ...] = ()
    passed: int = 0
    notes: tuple[str, ...] = ()
    """Why nothing could be tried at all."""
    refused: bool = False
    """Whether a deploy does not begin for it."""


def untried(spot: Spot, why: str) -> Untried:
    """At that spot."""
    return Untried(spot.file, spot.line, spot.column, spot.statement, spot.table, why)
