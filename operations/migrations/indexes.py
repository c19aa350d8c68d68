"""Which indexes a statement outside of transactions works on. Pure."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from operations.migrations.splitting import Unparsable, split
from operations.quoting import suffixed

Name = tuple[str | None, str]
"""Schema (``None``: found along the search path) and name, cut to the length that PostgreSQL keeps."""
_TRANSIENT = re.compile(r"_cc(new|old)\d*\Z")
"""What REINDEX CONCURRENTLY calls the indexes that it builds and replaces."""


class Index(Struct, frozen=True):
    """An index that stands, and the table it is on."""

    schema: str
    name: str
    table: str


class IndexWork(Struct, frozen=True):
    """``indexes`` by name, or all indexes on ``tables``; ``everywhere``: all there are.

    ``transient``: besides those named, only such as REINDEX CONCURRENTLY makes for a while.
    """

    indexes: tuple[Name, ...] = ()
    tables: tuple[Name, ...] = ()
    everywhere: bool = False
    transient: bool = False

    def covers(self, index: Index) -> bool:
        """Whether the statement may have made, changed or dropped it."""
        base, replaced = _TRANSIENT.subn("", index.name)
        if any(_is(name, index.schema, index.name) for name in self.indexes):
            return True
        if not self.transient:
            return any(_is(name, index.schema, index.table) for name in self.tables)
        named = any(_in(name, index.schema) and replaced and name[1].startswith(base) for name in self.indexes)
        on_table = any(_is(name, index.schema, index.table) for name in self.tables)
        return named or (bool(replaced) and (on_table or self.everywhere))


def index_work(statement: str) -> IndexWork:
    """For CREATE INDEX, DROP INDEX and REINDEX; empty for every other statement."""
    try:
        (piece,) = split(statement)
    except (Unparsable, ValueError):
        return IndexWork()
    node = piece.exact_node()
    kind = type(node).__name__
    if kind == "IndexStmt":
        if node.idxname is None:
            return IndexWork(tables=(_name(node.relation),))
        return IndexWork(indexes=((node.relation.schemaname, suffixed(node.idxname, "")),))
    if kind == "DropStmt" and node.removeType.name == "OBJECT_INDEX":
        return IndexWork(indexes=tuple(_dotted([part.sval for part in parts]) for parts in node.objects))
    return _reindex(node) if kind == "ReindexStmt" else IndexWork()


def _reindex(node: Any) -> IndexWork:
    if node.relation is None:
        return IndexWork(everywhere=True, transient=True)
    name = _name(node.relation)
    if node.kind.name == "REINDEX_OBJECT_INDEX":
        return IndexWork(indexes=(name,), transient=True)
    return IndexWork(tables=(name,), transient=True)


def _name(relation: Any) -> Name:
    return relation.schemaname, suffixed(relation.relname, "")


def _dotted(parts: list[str]) -> Name:
    return (parts[-2] if len(parts) > 1 else None), suffixed(parts[-1], "")


def _in(name: Name, schema: str) -> bool:
    return name[0] in (None, schema)


def _is(name: Name, schema: str, relation: str) -> bool:
    return _in(name, schema) and name[1] == relation
