"""What stood before a transaction or a statement of ours, so that rows which nobody lived to count can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from operations import catalog, writes
from operations.catalog import Catalog
from operations.context import Context
from operations.errors import StatementFailed
from operations.leftovers import Outside, indexes_of
from operations.migrations.indexes import IndexWork, index_work
from operations.ports import Session
from operations.writes import Counters

LAG, LOOK = 12.0, 0.1
"""Seconds in which sessions have added what they count (an idle one does after ten), and between two looks at them."""


class Begun(Struct, frozen=True):
    """What stood when a transaction of ours began: if our client dies in it, its rows are rolled back uncounted."""

    stamp: str
    outside: Outside
    catalogs: Counters

    @classmethod
    def read(cls, session: Session) -> Begun | None:
        """Not within a transaction. ``None`` while others have changes to count that the schema shows already.

        In this order: what they change after the schema was read is seen by ``uncounted``, and what before that has
        been counted by now, or is still to come.
        """
        stamp, outside = catalog.stamp(session), Outside.read(session)
        return None if writes.lagging(session, schema=True) else cls(stamp, outside, writes.catalogs(session))

    def uncounted(self, now: Counters, session: Session, counted: Counters) -> Counters:
        """Rows that catalogs have gained, if nothing that stands in them has changed, and no table was emptied.

        ``counted``: what was, of our own, since.
        """
        if (self.stamp, self.outside) != (catalog.stamp(session), Outside.read(session)):
            return Counters()
        return _of_schema(writes.gained(self.catalogs + counted, now.of_system()))

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {"stamp": self.stamp, "outside": self.outside.to_json(), "catalogs": self.catalogs.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Begun:
        """What ``to_json`` gave."""
        return cls(value["stamp"], Outside.from_json(value["outside"]), Counters.from_json(value["catalogs"]))


class Alone(Struct, frozen=True):
    """What stood when a statement outside of transactions began, so that its rows can be told from those of others.

    ``schema`` is a fingerprint of all but the indexes that the ``statement`` works on; of any other statement the text
    is not kept: a subscription's may hold a password.
    """

    statement: str
    schema: str
    files: frozenset[int]
    catalogs: Counters

    @classmethod
    def read(cls, context: Context, session: Session, statement: str) -> Alone | None:
        """Not within a transaction. ``None`` where it cannot be told, or not before others have counted.

        In this order: what they change after the schema was read is seen by ``gained``, and what before that has been
        counted by now, or is still to come.
        """
        try:
            schema = _schema(session, statement)
        except StatementFailed:
            return None
        files, until = Outside.read(session).files, context.clock.now() + LAG
        since = writes.moment(session)
        while writes.lagging(session, schema=True, since=since):
            if context.clock.now() > until:
                return None
            context.clock.sleep(LOOK)
        kept = statement if index_work(statement) != IndexWork() else ""
        return cls(kept, schema, files, writes.catalogs(session))

    def gained(self, session: Session, now: Counters) -> Counters:
        """What the catalogs have gained; nothing where someone may have changed the schema, or emptied a table."""
        gained = _of_schema(writes.gained(self.catalogs, now.of_system()))
        try:
            same = (self.files, self.schema) == (Outside.read(session).files, _schema(session, self.statement))
        except StatementFailed:
            return Counters()
        return gained if same else Counters()

    def uncounted(self, now: Counters, session: Session, counted: Counters) -> Counters:
        """As ``Begun.uncounted``: of one that our client did not live to count."""
        return replace(self, catalogs=self.catalogs + counted).gained(session, now)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        files, catalogs = sorted(self.files), self.catalogs.to_json()
        return {"statement": self.statement, "schema": self.schema, "files": files, "catalogs": catalogs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Alone:
        """What ``to_json`` gave."""
        catalogs = Counters.from_json(value["catalogs"])
        return cls(value["statement"], value["schema"], frozenset(value["files"]), catalogs)


def _schema(session: Session, statement: str) -> str:
    found, left_out = catalog.read(session), indexes_of(session, statement)
    return Catalog({one: text for one, text in found.objects.items() if one not in left_out}).fingerprint


def _of_schema(counters: Counters) -> Counters:
    """Without large objects: their rows lie in catalogs, but are data."""
    return Counters({oid: relation for oid, relation in counters.relations.items() if relation.kind != "table"})
