"""What a new partition demands: that its rows are those of its bound, and no row of the default partition is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from operations.migrations.locking import relation_name
from operations.preflight.asking_for import About, Found, about
from operations.preflight.expressions import Unsuitable
from operations.preflight.known import Name, Table
from operations.preflight.model import Spot
from operations.preflight.state import State, shown
from operations.quoting import identifier, identifiers

Node = Any
_ENDLESS = ("minvalue", "maxvalue")


def attached(state: State, spot: Spot, parent: Name, command: Node) -> Found:
    """ATTACH PARTITION: of the rows of the table that is attached, and of those in the default partition."""
    part = command.def_.name
    asked = about(state, replace(spot, table=relation_name(part)), state.name_of(part))
    if not isinstance(asked, About):
        yield from () if asked is None else (asked,)
    else:
        try:
            belongs = _belongs(asked, _partitioned(state, parent), command.def_.bound)
            asked.refuse_doubt(_columns(state, parent))
            yield asked.counting("partition", "the partition's bound does not hold", f"({belongs}) IS NOT TRUE")
        except Unsuitable as why:
            yield asked.untried(str(why))
        yield from _further(asked, state.table(parent))
    yield from made(state, spot, parent, command.def_.bound)


def made(state: State, spot: Spot, parent: Name, bound: Node) -> Found:
    """Any new partition: what belongs to it must not lie in the default one, nor anywhere else in the table."""
    table = state.table(parent)
    if bound.is_default or table is None or table.partitioning is None or not table.partitioning.has_default:
        return
    asked = about(state, spot, parent)
    if not isinstance(asked, About):
        yield from () if asked is None else (asked,)
        return
    try:
        belongs = _belongs(asked, _partitioned(state, parent), bound)
        asked.refuse_doubt(_columns(state, parent))
        yield asked.counting("partition", "the new partition's bound holds in the default partition", belongs)
    except Unsuitable as why:
        yield asked.untried(str(why))


def _further(asked: About, parent: Table | None) -> Iterator[Any]:
    own = asked.table.demands
    if parent and parent.demands - own:
        yield asked.untried(f"the keys of {shown(parent.name)} that it lacks are not tried on it")
    if parent and parent.partitioning and parent.partitioning.is_part:
        yield asked.untried(f"the bound of {shown(parent.name)} itself is not tried on it")


def _partitioned(state: State, name: Name) -> Table:
    table = state.table(name)
    if table is None or table.partitioning is None:
        raise Unsuitable(f"{shown(name)} is no partitioned table as it is now")
    why = state.doubt(name, table.partitioning.columns)
    if why:
        raise Unsuitable(why)
    return table


def _columns(state: State, name: Name) -> tuple[str, ...]:
    table = state.table(name)
    return table.partitioning.columns if table and table.partitioning else ()


def _belongs(here: About, parent: Table, bound: Node) -> str:
    """That a row is one of the bound: true, or false or NULL."""
    partitioning = parent.partitioning
    assert partitioning  # noqa: S101 - looked at by the caller
    if bound.is_default:
        raise Unsuitable("what belongs to other partitions is not looked for")
    if not partitioning.plain or partitioning.strategy not in "lr":
        raise Unsuitable("it is partitioned by expressions, by hashes or by an order of its own")
    for name in partitioning.columns:
        column = here.table.columns.get(name)
        if column is None or not (column.builtin and column.plain and column.deterministic):
            raise Unsuitable(f"the type or the collation of {identifier(name)} is not PostgreSQL's own")
    if partitioning.strategy == "l":
        return _list(here, parent, bound.listdatums or ())
    return _range(here, parent, bound)


def _list(here: About, parent: Table, values: Sequence[Node]) -> str:
    assert parent.partitioning  # noqa: S101
    (name,) = parent.partitioning.columns
    column = identifier(name)
    told = [_value(here, parent, name, value) for value in values if not getattr(value, "isnull", False)]
    ways = [f"{column} IN ({', '.join(told)})"] if told else []
    ways += [f"{column} IS NULL"] if len(told) < len(values) else []
    return " OR ".join(ways)


def _range(here: About, parent: Table, bound: Node) -> str:
    assert parent.partitioning  # noqa: S101
    columns = parent.partitioning.columns
    conditions = [f"{identifier(name)} IS NOT NULL" for name in columns]
    lower, above = _prefix(bound.lowerdatums), {"": ">=", "minvalue": ">=", "maxvalue": ">"}
    upper, below = _prefix(bound.upperdatums), {"": "<", "minvalue": "<", "maxvalue": "<="}
    for (values, end), signs in ((lower, above), (upper, below)):
        names = columns[: len(values)]
        told = [_value(here, parent, name, value) for name, value in zip(names, values, strict=True)]
        if told:
            conditions.append(f"ROW({identifiers(names)}) {signs[end]} ROW({', '.join(told)})")
        elif end == ("maxvalue" if signs is above else "minvalue"):
            conditions.append("false")
    return " AND ".join(conditions)


def _prefix(values: Sequence[Node]) -> tuple[list[Node], str]:
    """The values before the first that has no end, and which that is: what comes after it does not matter."""
    found: list[Node] = []
    for value in values:
        fields = getattr(value, "fields", None)
        word = fields[-1].sval if fields and len(fields) == 1 else ""
        if word in _ENDLESS:
            return found, word
        found.append(value)
    return found, ""


def _value(here: About, parent: Table, name: str, value: Node) -> str:
    written = here.reading.written(value)
    if written.columns:
        raise Unsuitable("its bound is written in an unusual way")
    return f"CAST({written.sql} AS {parent.columns[name].type})"
