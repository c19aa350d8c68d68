"""What the pending statements before one may have changed of the rows that it meets. Pure, but changed in place.

A false alarm keeps a good deploy from happening, so whatever cannot be followed counts as a change of everything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from operations.preflight.known import Cascade, Known, Name, Table
from operations.preflight.model import Spot
from operations.quoting import identifier

Node = Any
EMPTY = ""
"""Of a column that a script has added, and nothing has filled: every row has NULL there."""


@dataclass
class State:
    """``lost``: why nothing is known of any row any more. ``began_empty``: tables that no row of before is in, as
    scripts have made or dropped them. ``written``: why the rows of a table may be others; ``gone``: why there may be
    none. ``columns``: why one may hold other values, or ``EMPTY``."""

    known: Known
    lost: str | None = None
    began_empty: set[Name] = field(default_factory=set)
    written: dict[Name, str] = field(default_factory=dict)
    gone: dict[Name, str] = field(default_factory=dict)
    columns: dict[tuple[Name, str], str] = field(default_factory=dict)
    unvalidated: dict[tuple[Name, str], Node] = field(default_factory=dict)
    types: dict[Name, tuple[str, ...] | None] = field(default_factory=dict)
    """Types that scripts have made or changed; the values where they are known."""
    shadowed: set[str] = field(default_factory=set)
    fires: set[Name] = field(default_factory=set)
    """Tables of which writing may change others, in ways that are not followed."""
    rekeyed: set[Name] = field(default_factory=set)
    """Tables with another primary key than before."""
    entangled: set[Name] = field(default_factory=set)
    cascades: list[Cascade] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cascades += self.known.cascades

    def name_of(self, relation: Node) -> Name:
        """What a ``RangeVar`` means."""
        return self.known.name_of(relation.schemaname, relation.relname)

    def type_place(self, schema: str | None, name: str) -> Name:
        """Where a type of that name is, or would be made."""
        return self.known.type_place(schema, name)

    def table(self, name: Name) -> Table | None:
        """As it stood before the scripts; ``None`` for one of theirs."""
        return None if name in self.began_empty else self.known.tables.get(name)

    def lose(self, why: str) -> None:
        """From here on nothing is known."""
        self.lost = self.lost or why

    def doubt(self, name: Name, columns: Collection[str] = ()) -> str | None:
        """Why the rows, or these columns of them, may be others by then."""
        changed = (self.columns.get((name, column)) for column in columns)
        return self.lost or self.written.get(name) or next(filter(None, changed), None)

    def write(
        self, name: Name, spot: Spot, *, updated: Collection[str] = (), deleted: bool = False, alone: bool = False
    ) -> None:
        """Rows of a table are written; ``alone``: the ``updated`` columns, and nothing else of them."""
        reached = self._reached(name, updated, deleted)
        for touched in {name, *reached}:
            table = self.table(touched)
            unknown = table is None and touched not in self.began_empty
            entangled = touched in self.entangled or (table is not None and (table.entangled or table.kind != "r"))
            if unknown or entangled or touched in self.fires or (table is not None and table.fires):
                self.lose(f"{place(spot)} writes rows, and others may change with them")
            why = f"{place(spot)} writes rows of {shown(touched)}"
            if alone and touched == name and name not in reached and table and not table.generates:
                self.columns.update({(name, column): why for column in updated})
            else:
                self.written.setdefault(touched, why)
            if deleted:
                self.gone.setdefault(touched, why)

    def _reached(self, name: Name, updated: Collection[str], deleted: bool) -> frozenset[Name]:
        """Tables whose rows change through foreign keys; the one itself among them where it refers to itself."""
        reached: set[Name] = set()
        left = [(name, False)]
        while left:
            parent, in_any_column = left.pop()
            for one in self.cascades:
                by_update = one.on_update and (in_any_column or self._moves(one, updated))
                if one.parent == parent and one.child not in reached and (by_update or (one.on_delete and deleted)):
                    reached.add(one.child)
                    left.append((one.child, True))
        return frozenset(reached)

    def _moves(self, cascade: Cascade, updated: Collection[str]) -> bool:
        """Whether an UPDATE of these columns may change what a foreign key refers to."""
        table = self.table(cascade.parent)
        own = not cascade.columns.isdisjoint(updated)
        unsure = not cascade.columns or any((cascade.parent, column) in self.columns for column in cascade.columns)
        return bool(updated) and (own or unsure or (table is not None and table.generates))

    def replace(self, name: Name, spot: Spot) -> None:
        """Another table may have the name now."""
        self.began_empty.discard(name)
        self.fires.add(name)
        self.written[name] = self.gone[name] = f"{place(spot)} changes what {shown(name)} is"

    def begin_empty(self, name: Name) -> None:
        """A table without rows, or none at all."""
        self.began_empty.add(name)
        self.written.pop(name, None)
        self.gone.pop(name, None)
        self.entangled.discard(name)
        self.fires.discard(name)
        for key in [key for key in self.columns if key[0] == name]:
            del self.columns[key]


def place(spot: Spot) -> str:
    """Where, for the middle of a sentence."""
    return f"an earlier statement ({spot.file}:{spot.line})"


def shown(name: Name) -> str:
    """A table as people write it."""
    return identifier(name[1]) if name[0] == "public" else identifier(*name)
