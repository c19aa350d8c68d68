"""What undoing a migration takes away: which tables and columns, and how many rows hold something in them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from operations.catalog import Catalog, diff
from operations.catalog.identities import Identity, identity, plain
from operations.rules.schema import Name
from operations.validation.model import Loss, LostRows

MOST = 10
"""Tables whose rows are told in words."""
WHERE = {
    "environment": "{} in the environment's database, as its planner estimates",
    "trial": "{} on the throwaway database, once the migration has run there",
    "rollback": "how many rows is not known here, and counted by a rollback",
}


def lost(before: Catalog, after: Catalog) -> tuple[str, ...]:
    """Tables and columns that an undo takes away, with whatever was written there since."""
    tables, columns = _added(before, after)
    return (*(f"table {one.name}" for one in tables), *(f"column {one.name}" for one in columns))


def losing(before: Catalog, after: Catalog) -> frozenset[str]:
    """Names of the tables whose rows lose something: those that go, and those that lose a column."""
    tables, columns = _added(before, after)
    return frozenset((*(one.name for one in tables), *(one.table for one in columns)))


def loss_of(before: Catalog, after: Catalog, tried: Mapping[str, int], known: Mapping[Name, int]) -> Loss | None:
    """``None`` where nothing is lost.

    ``tried``: rows on the trial server, once the migration has run on nothing but what has landed. ``known``: rows of
    an environment's tables; empty where it was not asked. What stood before is counted there, for the trial server
    does not have those rows; what the migration adds can only be counted on the trial server.
    """
    tables, columns = _added(before, after)
    if not tables and not columns:
        return None
    new = {one.name for one in tables}
    holding = (name for name in sorted(losing(before, after)) if not _partitioned(after.objects[f"table {name}"]))
    found = (_rows(name, name in new, tried, known) for name in holding)
    return Loss(len(tables), len(columns), tuple(found))


def _partitioned(definition: str) -> bool:
    """Whether it holds no row itself: its partitions are tables of their own."""
    return bool(json.loads(definition).get("partition_key"))


def _rows(table: str, new: bool, tried: Mapping[str, int], known: Mapping[Name, int]) -> LostRows:
    if known and not new:
        parts = [plain(part) for part in identity(f"table {table}").parts]
        found = known.get((parts[0], parts[-1]))
        return LostRows(table, found, "environment" if found is not None else "rollback")
    found = tried.get(table)
    return LostRows(table, found, "trial" if found is not None else "rollback")


def objects(loss: Loss) -> str:
    """``1 table and 2 columns``."""
    parts = ((loss.tables, "table"), (loss.columns, "column"))
    return " and ".join(_number(count, what) for count, what in parts if count)


def rows(loss: Loss) -> Iterator[str]:
    """A line for each table: how many rows, and where they were counted."""
    for one in loss.rows[:MOST]:
        yield f"{one.table}: {WHERE[one.counted_in].format(_number(one.rows or 0, 'row'))}"
    if len(loss.rows) > MOST:
        yield f"and {len(loss.rows) - MOST} more tables"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _added(before: Catalog, after: Catalog) -> tuple[list[Identity], list[Identity]]:
    """Tables, and columns of tables that stood before; sorted by their names."""
    added = [identity(d.object) for d in diff(before, after) if d.kind == "added"]
    tables = sorted((one for one in added if one.kind == "table"), key=lambda one: one.name)
    names = {one.name for one in tables}
    columns = [o for o in added if o.kind == "column" and o.table not in names and f"table {o.table}" in after.objects]
    return tables, sorted(columns, key=lambda one: one.name)
