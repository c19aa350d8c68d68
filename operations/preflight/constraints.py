"""Constraints and unique indexes as questions to the rows that they must hold for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from operations.preflight.asking_for import About, Found, refuse_doubt
from operations.preflight.expressions import Unsuitable, Written
from operations.preflight.known import TABLES, Name, Table
from operations.preflight.model import BOUND, Probe
from operations.preflight.state import shown
from operations.quoting import identifier, identifiers

Node = Any
SHOWN = 80
"""Characters of an expression in a message."""


def not_null(about: About, column: str) -> Found:
    """SET NOT NULL, and what implies it."""
    known = about.table.columns.get(column)
    if about.empty(column):
        about.refuse_doubt()
        yield from filled(about, column)
    elif known and not known.not_null:
        about.refuse_doubt((column,))
        if known.kind not in "berm":
            raise Unsuitable(f"the type of {identifier(column)} is not PostgreSQL's own")
        name = identifier(column)
        yield about.counting("not null", f"{name} is NULL", f"{name} IS NULL")


def filled(about: About, column: str) -> Found:
    """A new column that must not be NULL, and that nothing fills."""
    refuse_doubt(about.state, about.name, about.table, to_be_there=True)
    yield about.counting("new column", f"nothing fills the new column {identifier(column)}", "true")


def same_everywhere(about: About, column: str) -> Found:
    """A new column that is to be unique, with the same value in each row."""
    refuse_doubt(about.state, about.name, about.table, to_be_there=True)
    source = about.table.source(whole=False)
    yield Probe(
        about.spot,
        "unique",
        f"the new column {identifier(column)} would be the same",
        f"SELECT CASE WHEN count(*) > 1 THEN count(*) ELSE 0 END::int8, count(*) = {BOUND}"
        f" FROM (SELECT FROM {source} LIMIT {BOUND}) AS found",
        f"SELECT * FROM {source} LIMIT 100;",
    )


def constraint(about: About, node: Node) -> Found:
    """One of a table, as ADD CONSTRAINT has it, that is validated."""
    kind = node.contype.name.removeprefix("CONSTR_")
    if kind == "NOTNULL":
        for key in node.keys or ():
            yield from not_null(about, key.sval)
    elif kind in ("PRIMARY", "UNIQUE"):
        yield from _key(about, node, primary=kind == "PRIMARY")
    elif kind == "FOREIGN":
        yield from _foreign(about, node)
    elif kind == "CHECK":
        yield from _check(about, node)
    elif kind == "EXCLUSION":
        raise Unsuitable("exclusion constraints are not looked at")


def _key(about: About, node: Node, *, primary: bool) -> Found:
    if node.indexname:
        if primary:
            raise Unsuitable("it takes an index that is there, and makes its columns NOT NULL")
        return
    if node.without_overlaps:
        raise Unsuitable("what overlaps is not looked for")
    columns = [key.sval for key in node.keys or ()]
    alone = About(about.state, about.spot, about.name, about.table, whole=False)
    for column in columns if primary else ():
        yield from not_null(alone, column)
    yield from _unique(about, [_column(about, name) for name in columns], None, node.nulls_not_distinct)


def index(about: About, node: Node) -> Found:
    """CREATE UNIQUE INDEX."""
    elements = []
    for element in node.indexParams:
        if element.opclass or element.collation:
            raise Unsuitable("it compares with an operator class or a collation of its own")
        elements.append(_column(about, element.name) if element.name else about.reading.written(element.expr))
    where = about.reading.written(node.whereClause) if node.whereClause else None
    if any(not element.columns for element in elements):
        raise Unsuitable("it is over no column")
    yield from _unique(about, elements, where, node.nulls_not_distinct)


def _column(about: About, name: str) -> Written:
    known = about.table.columns.get(name)
    if known is None and not about.empty(name):
        about.refuse_doubt((name,))
        raise Unsuitable(f"{identifier(name)} is no column of the table as it is now")
    if known and known.kind == "c" and not about.empty(name):
        raise Unsuitable(f"the type of {identifier(name)} is not PostgreSQL's own")
    return Written(identifier(name), frozenset({name}))


def _unique(about: About, elements: Sequence[Written], where: Written | None, nulls_not_distinct: bool) -> Found:
    columns = frozenset().union(*(element.columns for element in elements), where.columns if where else ())
    if any(about.empty(column) for column in columns):
        plain = all(element.columns == {element.sql[1:-1].replace('""', '"')} for element in elements)
        safe = not nulls_not_distinct and any(about.empty(c) for element in elements for c in element.columns)
        about.refuse_doubt(columns)
        if plain and safe:
            return  # NULL in each row
        raise Unsuitable("a column of it is new")
    about.refuse_doubt(columns)
    keys = [element.sql for element in elements]
    conditions = [f"({where.sql})"] if where else []
    conditions += [] if nulls_not_distinct else [f"({key}) IS NOT NULL" for key in keys]
    listed = ", ".join(keys)
    filtered = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    grouped = f"FROM {about.table.source(whole=False)}{filtered} GROUP BY {listed} HAVING count(*) > 1"
    yield Probe(
        about.spot,
        "unique",
        f"{_short(f'({listed})')} is not unique",
        f"SELECT coalesce(sum(times), 0)::int8, count(*) = {BOUND}"
        f" FROM (SELECT count(*) AS times {grouped} LIMIT {BOUND}) AS found",
        f"SELECT {listed}, count(*) {grouped} LIMIT 100;",
    )


def _check(about: About, node: Node) -> Found:
    condition = about.reading.written(node.raw_expr)
    if any(about.empty(column) for column in condition.columns):
        raise Unsuitable("a column of it is new")
    about.refuse_doubt(condition.columns)
    whole = about.whole and not node.is_no_inherit
    about = About(about.state, about.spot, about.name, about.table, whole)
    yield about.counting("check", f"{_short(f'CHECK ({condition.sql})')} does not hold", f"NOT ({condition.sql})")


def _foreign(about: About, node: Node) -> Found:
    if node.fk_with_period:
        raise Unsuitable("periods are not looked at")
    columns = [key.sval for key in node.fk_attrs]
    full = node.fk_matchtype == "f" and len(columns) > 1
    if any(about.empty(column) for column in columns):
        about.refuse_doubt(columns)
        if full:
            raise Unsuitable("a column of it is new")
        return  # NULL in each row
    about.refuse_doubt(columns)
    _refuse_types(about.table, columns)
    name = about.state.name_of(node.pktable)
    own = [f"r.{identifier(column)}" for column in columns]
    set_, nulls = [f"{column} IS NOT NULL" for column in own], f"num_nulls({', '.join(own)})"
    orphaned = " AND ".join([*set_, *_not_referring(about, node, name, own)])
    half = f"{nulls} > 0 AND {nulls} < {len(own)}"
    source = f"{about.table.source(whole=False)} AS r"
    wheres = [orphaned, half] if full else [orphaned]
    found = " UNION ALL ".join(f"SELECT r.* FROM {source} WHERE {where}" for where in wheres)
    counted = " UNION ALL ".join(f"(SELECT FROM {source} WHERE {where} LIMIT {BOUND})" for where in wheres)
    yield Probe(
        about.spot,
        "foreign key",
        f"({identifiers(columns)}) refers to no row of {shown(name)}",
        f"SELECT count(*)::int8, count(*) >= {BOUND} FROM ({counted}) AS found",
        f"{found} LIMIT 100;",
    )


def _not_referring(about: About, node: Node, name: Name, own: Sequence[str]) -> list[str]:
    """That no row there has the key; nothing, where there will be no rows at all."""
    state = about.state
    if name in state.began_empty:
        why = state.doubt(name)
        if why:
            raise Unsuitable(why)
        return []
    parent = state.known.tables.get(name)
    if parent is None or parent.kind not in TABLES:
        raise Unsuitable(f"{shown(name)} is no table as it is now")
    if not node.pk_attrs and name in state.rekeyed:
        raise Unsuitable(f"the primary key of {shown(name)} is not there yet")
    keys = [key.sval for key in node.pk_attrs or ()] or list(parent.key)
    if len(keys) != len(own) or any((name, key) in state.columns for key in keys):
        raise Unsuitable(f"the key of {shown(name)} is not there yet")
    refuse_doubt(state, name, parent, keys)
    _refuse_types(parent, keys)
    for key, column in zip(node.fk_attrs, keys, strict=True):
        types = about.table.columns[key.sval].place, parent.columns[column].place
        if types[0] != types[1]:
            about.reading.refuse_casts(*types)
    pairs = " AND ".join(f"k.{identifier(key)} = {column}" for key, column in zip(keys, own, strict=True))
    return [f"NOT EXISTS (SELECT FROM {parent.source(whole=False)} AS k WHERE {pairs})"]


def _refuse_types(table: Table, columns: Sequence[str]) -> None:
    for name in columns:
        column = table.columns.get(name)
        if column is None:
            raise Unsuitable(f"{identifier(name)} is no column of {shown(table.name)} as it is now")
        if not column.plain or not column.deterministic:
            raise Unsuitable(f"the type or the collation of {identifier(name)} is not PostgreSQL's own")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
