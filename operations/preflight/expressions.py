"""Expressions of migrations, as they may be run on people's rows: with PostgreSQL's own code alone. Pure.

Probes run with the search path ``pg_catalog``, so that no name leads to code of a user's. What is let through is also
looked at here, since a function of a user's could be what the migration itself would run for the same words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct

from operations.migrations.enums import tree
from operations.preflight.known import Known, Name, Table
from operations.quoting import identifier
from operations.rules.shapes import dotted

Node = Any
_KNOWN = frozenset(
    {
        "A_ArrayExpr", "A_Const", "A_Expr", "BitString", "BoolExpr", "Boolean", "BooleanTest", "CaseExpr", "CaseWhen",
        "CoalesceExpr", "ColumnRef", "Float", "FuncCall", "Integer", "MinMaxExpr", "NullTest", "SQLValueFunction",
        "String", "TypeCast", "TypeName",
    }
)  # fmt: skip
_OWN_CASTS = "there are casts that are not PostgreSQL's own"
_OF_USERS = "it calls functions or operators that are not PostgreSQL's own, or not the same at each call"


class Unsuitable(Exception):
    """Why an expression is not run on the rows."""


class Written(Struct, frozen=True):
    """An expression as it is sent, and the columns that it reads."""

    sql: str
    columns: frozenset[str]


class Reading(Struct, frozen=True):
    """How expressions over one table are read. ``types``: those that scripts have made or changed before.

    ``shadowed``: names of functions that they have made.
    """

    known: Known
    table: Table
    types: Mapping[Name, tuple[str, ...] | None]
    shadowed: Collection[str]

    def written(self, node: Node) -> Written:
        """The expression; raises ``Unsuitable``."""
        self.refuse_casts()
        columns = set()
        for item in tree(node):
            kind = type(item).__name__
            if kind not in _KNOWN:
                raise Unsuitable("what it is made of is more than is tried on rows")
            if kind == "ColumnRef":
                columns.add(self._column(item))
            elif kind == "FuncCall":
                self._refuse_function(item)
            elif kind == "A_Expr":
                self._refuse_operator(item)
            elif kind == "TypeName":
                self._settle_type(item)
        return Written(printed(node), frozenset(columns))

    def type_sql(self, node: Node) -> str:
        """A ``TypeName``, to be cast to, as SQL writes it; raises ``Unsuitable``."""
        self.refuse_casts()
        self._settle_type(node)
        return printed_type(node)

    def _column(self, node: Node) -> str:
        parts = [getattr(part, "sval", None) for part in node.fields]
        *table, name = parts
        column = self.table.columns.get(name or "")
        if None in parts or table not in ([], [self.table.name[1]]) or column is None:
            raise Unsuitable("it names what is no column of the table as it is now")
        if not column.plain:
            raise Unsuitable(f"the type of {identifier(str(name))} is not PostgreSQL's own")
        self.refuse_casts(column.place)
        if column.place in self.types:
            raise Unsuitable(f"an earlier statement changes the type of {identifier(str(name))}")
        return str(name)

    def refuse_casts(self, *types: Name) -> None:
        """Raise ``Unsuitable`` where a cast, be it from or to one of these types, might run code of users."""
        if self.known.recast:
            raise Unsuitable(_OWN_CASTS)
        for _, name in types:
            if name in self.known.cast_types:
                raise Unsuitable(f"{identifier(name)} has casts that are not PostgreSQL's own")

    def _refuse_function(self, node: Node) -> None:
        *schema, name = [part.sval for part in node.funcname]
        special = node.agg_order or node.agg_filter or node.over or node.agg_within_group or node.agg_star
        if special or schema not in ([], ["pg_catalog"]) or name not in self.known.functions or name in self.shadowed:
            raise Unsuitable(_OF_USERS)

    def _refuse_operator(self, node: Node) -> None:
        *schema, name = [part.sval for part in node.name]
        own = name in self.known.operators or name[:1].isalpha()
        if schema not in ([], ["pg_catalog"]) or not own:
            raise Unsuitable(_OF_USERS)

    def _settle_type(self, node: Node) -> None:
        """Write an enum with its schema, as it would not be found otherwise."""
        schema, name = dotted(node.names)
        if node.setof or node.pct_type:
            raise Unsuitable("its type is written in an unusual way")
        if schema == "pg_catalog":
            return
        if self.known.type_place(schema, name) in self.types:
            raise Unsuitable(f"an earlier statement makes or changes the type {identifier(name)}")
        self.refuse_casts((schema or "", name))
        enum = self.known.enum(schema, name)
        if enum:
            from pglast import ast

            node.names = tuple(ast.String(sval=part) for part in enum)
        elif schema:
            raise Unsuitable(f"the type {identifier(name)} is not PostgreSQL's own")

    def pending_enum(self, node: Node) -> tuple[str, ...] | None:
        """The values of an enum that a script makes before it is used here."""
        return self.types.get(self.known.type_place(*dotted(node.names)))


def printed(node: Node) -> str:
    """An expression as SQL; raises ``Unsuitable`` where that would read otherwise than it was written."""
    from pglast.stream import RawStream

    from operations.migrations.parser import ParseError, parse_sql

    try:
        text: str = RawStream()(node)
        statement: Any = parse_sql(f"SELECT ({text})")[0].stmt
        same = statement.targetList[0].val == node
    except RecursionError as error:
        raise Unsuitable("it is too deep to be written anew") from error
    except (ParseError, NotImplementedError, AttributeError) as error:
        raise Unsuitable("it cannot be written anew") from error
    if not text or not same:
        raise Unsuitable("it cannot be written anew")
    return text


def printed_type(node: Node) -> str:
    """A ``TypeName`` as SQL."""
    from pglast import ast

    cast = ast.TypeCast(arg=ast.A_Const(isnull=True), typeName=node)
    text = printed(cast)
    return text.removeprefix("CAST(NULL AS ").removesuffix(")")


def without_casts(node: Node) -> Iterator[Node]:
    """The expression, and what is in it under casts, from the outside in."""
    while True:
        yield node
        if type(node).__name__ != "TypeCast":
            return
        node = node.arg
