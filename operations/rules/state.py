"""The schema as it is right before each statement: the base, and what the new files have changed so far.

The one mutable thing here: a walk over 100 000 statements must not copy a schema for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from operations.rules.schema import PUBLIC, Domain, Name, Schema, Table
from operations.rules.shapes import Constraint, constraint_of, dotted, indexed_columns, name_of
from operations.rules.types import Type, parsed_type

Node = Any
MAX_INDEX_COLUMNS = 32
"""PostgreSQL's INDEX_MAX_KEYS: a longer list is refused."""
Columns = tuple[str | None, ...]
Transaction = tuple[str, int | None]
"""A file, and the number of the transaction within it."""


@dataclass
class TableState:
    """``old``: it stood before the new files. ``known``: ``columns``, ``constraints`` and ``indexes`` are all of them.

    ``added`` are columns that the new files have added. ``begun``: how many indexes begin with each set of columns.
    ``rows``: ``None`` if unknown.
    """

    name: Name
    old: bool
    known: bool
    columns: dict[str, Type | None] = field(default_factory=dict)
    not_null: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, Columns] = field(default_factory=dict)
    begun: Counter[frozenset[str]] = field(default_factory=Counter)
    rows: int | None = None
    partitioned: bool = False

    def __str__(self) -> str:
        return self.name[1] if self.name[0] == PUBLIC else ".".join(self.name)

    @property
    def size(self) -> str:
        """Words for a message: `` (1 234 567 rows)``, or nothing."""
        return "" if self.rows is None else f" ({self.rows:,} rows)".replace(",", "\u202f")


class State:
    """``default`` is the schema of names without one. ``types``: those that the new files have made.
    ``utc``: the file at hand has set its time zone to that.

    ``unvalidated``: in which transaction each constraint was added NOT VALID.
    """

    def __init__(self, schema: Schema | None) -> None:
        self.schema = schema
        self.default = schema.default if schema else PUBLIC
        self.domains = schema.domains if schema else {}
        self.utc = False
        self.types: set[Name] = set()
        self.transaction: Transaction = ("", None)
        self.unvalidated: dict[tuple[Name, str], Transaction] = {}
        self._tables: dict[Name, TableState] = {}
        self._indexes: dict[Name, Name] = {}
        for name, table in (schema.tables if schema else {}).items():
            for index in table.indexes:
                self._indexes[name[0], index] = name

    def table(self, name: Name) -> TableState:
        """As it is now; one that nobody has heard of stood before, and nothing is known of it."""
        if name not in self._tables:
            base = self.schema.tables.get(name) if self.schema else None
            self._tables[name] = _standing(name, base) if base else TableState(name, old=True, known=False)
        return self._tables[name]

    def of(self, relation: Node) -> TableState:
        """The table that a ``RangeVar`` means."""
        return self.table(name_of(relation, self.default))

    def busy(self, relation: Node) -> TableState | None:
        """The table, if it stood before and may hold rows: what takes its locks for long is then felt."""
        table = self.of(relation)
        return table if table.old and table.rows != 0 and relation.relpersistence != "t" else None

    def domain(self, type_name: Node) -> Domain | None:
        """The domain that a ``TypeName`` is, among those that stood before."""
        schema, name = dotted(type_name.names)
        return self.domains.get((schema or self.default, name))

    def indexed(self, parts: Node) -> TableState:
        """The table of the index that DROP INDEX names; an unknown one is of a table that stood before."""
        schema, name = dotted(parts)
        owner = self._indexes.get((schema or self.default, name))
        return self.table(owner) if owner else TableState(("", "?"), old=True, known=False)

    def create(self, name: Name, known: bool) -> TableState:
        """A table of the new files; also what is left where one was dropped."""
        self._tables[name] = TableState(name, old=False, known=known)
        return self._tables[name]

    def move(self, table: TableState, name: Name) -> None:
        """Rename it."""
        self._tables[table.name] = TableState(table.name, old=False, known=True)
        table.name = name
        self._tables[name] = table
        self._indexes.update({(name[0], index): name for index in table.indexes})

    def add_index(self, table: TableState, name: str, columns: Columns) -> None:
        """One more index; ``columns`` is empty for one that does not cover all rows."""
        table.indexes[name] = columns
        table.begun.update(beginnings(columns))
        self._indexes[table.name[0], name] = table.name

    def drop_index(self, name: Name) -> tuple[TableState, Columns] | None:
        """One index less, wherever it is; returns its table and columns, if it was known."""
        owner = self._indexes.pop(name, None)
        if owner is None:
            return None
        table = self.table(owner)
        columns = table.indexes.pop(name[1], ())
        table.begun.subtract(beginnings(columns))
        return table, columns


def beginnings(columns: Columns) -> Iterator[frozenset[str]]:
    """The sets of columns that an index begins with, in any order; an expression ends them."""
    start: frozenset[str] = frozenset()
    for column in columns[:MAX_INDEX_COLUMNS]:
        if column is None:
            return
        start |= {column}
        yield start


def _standing(name: Name, base: Table) -> TableState:
    found = {key: constraint_of(text) for key, text in base.constraints.items()}
    indexes = {key: indexed_columns(index.definition) for key, index in base.indexes.items() if index.valid}
    return TableState(
        name,
        old=True,
        known=True,
        columns={key: parsed_type(column.type) for key, column in base.columns.items()},
        not_null={key for key, column in base.columns.items() if column.not_null},
        constraints={key: shape for key, shape in found.items() if shape},
        indexes=indexes,
        begun=Counter(start for columns in indexes.values() for start in beginnings(columns)),
        rows=base.rows,
        partitioned=base.partitioned,
    )


def commands(node: Node) -> Iterator[tuple[str, Node]]:
    """The parts of ALTER TABLE, each with its kind (``AddColumn``); nothing for views, indexes and the like."""
    if node.objtype.name == "OBJECT_TABLE":
        for command in node.cmds:
            yield command.subtype.name.removeprefix("AT_"), command


def column_constraints(column: Node) -> dict[str, Node]:
    """Those written at a ``ColumnDef``, by kind (``NOTNULL``, ``DEFAULT``, ``CHECK`` …)."""
    return {item.contype.name.removeprefix("CONSTR_"): item for item in column.constraints or ()}
