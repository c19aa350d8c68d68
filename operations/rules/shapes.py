"""What constraints and indexes are made of, from the parse tree or from their definitions in the catalog. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from msgspec import Struct

from operations.rules.schema import Name

Node = Any


class Constraint(Struct, frozen=True):
    """``kind``: CHECK, FOREIGN, PRIMARY, UNIQUE, EXCLUSION, NOTNULL.

    ``not_null``: columns that a CHECK forbids NULL in. ``references`` is the other table's name
    with its schema, if that is written.
    """

    kind: str
    columns: tuple[str, ...] = ()
    validated: bool = True
    not_null: tuple[str, ...] = ()
    references: tuple[str | None, str] | None = None


def constraint(node: Node) -> Constraint:
    """A ``Constraint`` of the parse tree."""
    kind = node.contype.name.removeprefix("CONSTR_")
    columns = tuple(key.sval for key in (node.fk_attrs if kind == "FOREIGN" else node.keys) or ())
    references = (node.pktable.schemaname, node.pktable.relname) if node.pktable else None
    not_null = tuple(_never_null(node.raw_expr)) if kind == "CHECK" else ()
    return Constraint(kind, columns, not node.skip_validation, not_null, references)


@lru_cache(maxsize=4096)
def constraint_of(definition: str) -> Constraint | None:
    """One as the catalog prints it; ``None`` where the parser does not know it."""
    from operations.migrations.parser import ParseError, parse_sql

    try:
        statement: Node = parse_sql(f"ALTER TABLE t ADD CONSTRAINT c {definition}")[0].stmt
        return constraint(statement.cmds[0].def_)
    except (ParseError, AttributeError):
        return None


def index_columns(node: Node) -> tuple[str | None, ...]:
    """The columns of an ``IndexStmt`` in order, ``None`` for an expression."""
    return tuple(element.name for element in node.indexParams or ())


@lru_cache(maxsize=4096)
def indexed_columns(definition: str) -> tuple[str | None, ...]:
    """Those of an index that covers all rows; none of a partial one."""
    from operations.migrations.parser import ParseError, parse_sql

    try:
        node: Node = parse_sql(definition)[0].stmt
        return () if node.whereClause else index_columns(node)
    except (ParseError, AttributeError):
        return ()


def dotted(parts: Iterable[Node]) -> tuple[str | None, str]:
    """A name that the parser left in pieces: schema, if written, and name."""
    names = [part.sval for part in parts]
    return (names[-2] if len(names) > 1 else None), names[-1]


def name_of(relation: Node, default: str) -> Name:
    """A ``RangeVar``."""
    return relation.schemaname or default, relation.relname


def _never_null(expression: Node) -> Iterator[str]:
    left = [expression]
    while left:
        item = left.pop()
        kind = type(item).__name__
        if kind == "BoolExpr" and item.boolop.name == "AND_EXPR":
            left += item.args
        elif kind == "NullTest" and item.nulltesttype.name == "IS_NOT_NULL" and _is_column(item.arg):
            yield item.arg.fields[-1].sval


def _is_column(node: Node) -> bool:
    return type(node).__name__ == "ColumnRef" and hasattr(node.fields[-1], "sval")
