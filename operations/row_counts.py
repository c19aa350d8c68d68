"""Numbers of rows written, as PostgreSQL counts them. Pure; how they are read and compared is in ``writes``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from operations.object_ids import FIRST_USER_OID


class Rows(Struct, frozen=True):
    """How many rows were inserted, updated, deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.inserted + other.inserted, self.updated + other.updated, self.deleted + other.deleted)

    def __sub__(self, other: Rows) -> Rows:
        return Rows(self.inserted - other.inserted, self.updated - other.updated, self.deleted - other.deleted)

    @property
    def total(self) -> int:
        """All three."""
        return self.inserted + self.updated + self.deleted

    @property
    def negative(self) -> bool:
        """Whether a count went backwards."""
        return min(self.inserted, self.updated, self.deleted) < 0


class Relation(Struct, frozen=True):
    """Rows of one relation. ``kind`` is table, toast, catalog, statistics, temporary; ``name`` is dotted and quoted."""

    name: str
    kind: str
    rows: Rows = Rows()


class Moment(Struct, frozen=True):
    """The whole database's count. Counts of two moments can be compared only if their ``origin`` is the same."""

    database_oid: int
    server_version: int
    counting: bool
    origin: str
    """When the server started and when statistics were last thrown away."""
    rows: Rows
    uncounted: str | None = None
    """A table whose access method does not count."""


class Counters(Struct, frozen=True):
    """Rows written per relation, by object id, since statistics began (``moment``) or by our own transactions."""

    relations: Mapping[int, Relation] = {}
    moment: Moment | None = None

    def __add__(self, other: Counters) -> Counters:
        """Of own transactions."""
        both = dict(self.relations)
        for oid, relation in other.relations.items():
            rows = both[oid].rows + relation.rows if oid in both else relation.rows
            both[oid] = Relation(relation.name, relation.kind, rows)
        return Counters(both)

    def without(self, table: str) -> Counters:
        """The same as if nobody had ever written to tables of that name, whatever their schema."""
        left_out = {oid for oid, r in self.relations.items() if r.kind == "table" and r.name.endswith(f".{table}")}
        moment = self.moment
        if moment:
            rows = moment.rows - sum((self.relations[oid].rows for oid in left_out), Rows())
            moment = replace(moment, rows=rows)
        return Counters({oid: relation for oid, relation in self.relations.items() if oid not in left_out}, moment)

    def of_system(self) -> Counters:
        """Of the server's own relations alone."""
        return Counters({oid: relation for oid, relation in self.relations.items() if oid < FIRST_USER_OID})

    def tables(self) -> set[str]:
        """Names of the tables that were written to, catalogs aside."""
        return {relation.name for relation in self.relations.values() if relation.kind == "table"}

    def rows_of(self, oid: int) -> Rows:
        """None at all for a relation that is not among them."""
        relation = self.relations.get(oid)
        return relation.rows if relation else Rows()

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        relations = {
            str(oid): [relation.name, relation.kind, *_numbers(relation.rows)]
            for oid, relation in self.relations.items()
        }
        if self.moment is None:
            return {"relations": relations}
        return {"relations": relations, "moment": {**asdict(self.moment), "rows": _numbers(self.moment.rows)}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Counters:
        """What ``to_json`` gave."""
        relations = {
            int(oid): Relation(name, kind, Rows(*rows)) for oid, (name, kind, *rows) in value["relations"].items()
        }
        moment = value.get("moment")
        return cls(relations, Moment(**{**moment, "rows": Rows(*moment["rows"])}) if moment else None)


def _numbers(rows: Rows) -> tuple[int, int, int]:
    return rows.inserted, rows.updated, rows.deleted
