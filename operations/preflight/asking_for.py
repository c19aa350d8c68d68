"""Whether there is anything to ask a table's rows, and whether it may be asked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

from operations.preflight.expressions import Reading, Unsuitable
from operations.preflight.known import TABLES, Name, Table
from operations.preflight.model import BOUND, Kind, Probe, Spot, Untried, untried
from operations.preflight.state import EMPTY, State
from operations.quoting import identifier

Found = Iterator[Probe | Untried]


class About(Struct, frozen=True):
    """A statement's part, and the table as it stands, whose rows are asked.

    ``whole``: the statement also means tables that inherit from it.
    """

    state: State
    spot: Spot
    name: Name
    table: Table
    whole: bool = True

    @property
    def reading(self) -> Reading:
        """How expressions over the table are read."""
        return Reading(self.state.known, self.table, self.state.types, self.state.shadowed)

    @property
    def source(self) -> str:
        """For FROM."""
        return self.table.source(whole=self.whole)

    def untried(self, why: str) -> Untried:
        """At its place."""
        return untried(self.spot, why)

    def refuse_doubt(self, columns: Collection[str] = ()) -> None:
        """Raise ``Unsuitable`` where the rows that are met then may be others, or cannot be read."""
        refuse_doubt(self.state, self.name, self.table, columns)

    def empty(self, column: str) -> bool:
        """Whether the scripts have added the column, and nothing has filled it."""
        return self.state.columns.get((self.name, column)) == EMPTY

    def counting(self, kind: Kind, wrong: str, where: str) -> Probe:
        """Count rows up to the bound."""
        return Probe(
            self.spot,
            kind,
            wrong,
            f"SELECT count(*)::int8, count(*) = {BOUND} FROM (SELECT FROM {self.source} WHERE {where} LIMIT {BOUND})"
            " AS found",
            f"SELECT * FROM {self.source} WHERE {where} LIMIT 100;",
        )


def refuse_doubt(
    state: State, name: Name, table: Table, columns: Collection[str] = (), *, to_be_there: bool = False
) -> None:
    """Raise ``Unsuitable`` where a table's rows may be others by then, or may not be read.

    ``to_be_there``: it is only asked whether there are any.
    """
    why = state.lost or state.gone.get(name) if to_be_there else state.doubt(name, columns)
    if why:
        raise Unsuitable(why)
    if not table.readable:
        raise Unsuitable(f"the role may not read {identifier(*name)}")
    if table.foreign_parts:
        raise Unsuitable(f"a part of {identifier(*name)} lies on another server")


def about(state: State, spot: Spot, name: Name, *, whole: bool = True) -> About | Untried | None:
    """``None`` where no row can be in the way: of a table that the scripts make, or that nobody knows."""
    table = state.table(name)
    if table is None:
        why = state.lost or state.written.get(name)
        return untried(spot, why) if why else None
    if table.kind == "m":
        return untried(spot, "materialized views are not looked at")
    if table.kind not in TABLES or (table.kind == "p" and not whole):
        return None
    return About(state, spot, name, table, whole)
