"""Which tables pending scripts make partitioned, as far as their text tells. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from operations.migrations.script import Script
from operations.migrations.splitting import split
from operations.migrations.statement import Statement

Node = Any
Name = tuple[str | None, str]
"""Schema, where it is written, and name."""

_WORD = re.compile(r"\bPARTITION\b", re.IGNORECASE | re.ASCII)
_CLAUSE = re.compile(r"[^\s(]\s*\bPARTITION\s+BY\b", re.IGNORECASE | re.ASCII)
"""Not that of a window, which follows the parenthesis."""
_TABLE = re.compile(r"\bTABLE\b", re.IGNORECASE | re.ASCII)
_CODE = frozenset({"DO", "CREATE FUNCTION", "CREATE PROCEDURE"})
_RENAMING = "ALTER TABLE RENAME"


class Made(Struct, frozen=True):
    """``tables`` that are partitioned, ``indexes`` with the table each is on.

    ``hidden``: code, or a file that could not be parsed, may make partitioned tables of any name.
    """

    tables: frozenset[Name] = frozenset()
    indexes: tuple[tuple[str, Name], ...] = ()
    hidden: bool = False

    def may_partition(self, name: Name, *, stands: bool) -> bool:
        """Whether that table may be partitioned when all is done.

        One that ``stands`` there otherwise is only if it was put aside, and another one was made under its name.
        """
        if stands:
            return name in self.tables
        return self.hidden or any(name[1] == table for _, table in self.tables)

    def tables_of(self, index: Name) -> tuple[Name, ...]:
        """Those that an index of that name is made on; none where the name is that of a constraint, or was changed."""
        return tuple(table for name, table in self.indexes if name == index[1])


def made_by(scripts: Iterable[Script]) -> Made:
    """What they make."""
    tables: set[Name] = set()
    indexes: list[tuple[str, Name]] = []
    hidden = False
    for script in scripts:
        hidden = hidden or _hides(script)
        for statement in script.statements or ():
            if table := _partitioned(statement):
                tables.add(table)
            elif statement.kind.startswith("CREATE INDEX"):
                node = node_of(statement)
                indexes += [(node.idxname, name_of(node.relation))] if node.idxname else []
            elif statement.kind == _RENAMING and tables:
                tables |= set(_renamed(node_of(statement), tables))
    return Made(frozenset(tables), tuple(indexes), hidden)


def may_partition(scripts: Iterable[Script]) -> bool:
    """Whether one of them may make a partitioned table."""
    return any(_hides(script) or any(map(_partitioned, script.statements or ())) for script in scripts)


def node_of(statement: Statement) -> Node:
    """Its parse tree."""
    (piece,) = split(statement.text)
    return piece.exact_node()


def name_of(relation: Node) -> Name:
    """As it is written."""
    return relation.schemaname, relation.relname


def _hides(script: Script) -> bool:
    statements = script.statements
    texts = [script.text] if statements is None else [one.text for one in statements if one.kind in _CODE]
    return any(_CLAUSE.search(text) and _TABLE.search(text) for text in texts)


def _partitioned(statement: Statement) -> Name | None:
    if statement.kind != "CREATE TABLE" or not _WORD.search(statement.text):
        return None
    node = node_of(statement)
    return name_of(node.relation) if node.partspec else None


def _renamed(node: Node, tables: Iterable[Name]) -> Iterator[Name]:
    """Its new name too, as it stands under both, one after the other."""
    if node.renameType.name == "OBJECT_TABLE" and name_of(node.relation) in tables:
        yield node.relation.schemaname, node.newname
