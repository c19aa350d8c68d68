"""What the database holds of the tables that the pending migrations name, as far as probes ask. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct

from operations.migrations.enums import tree
from operations.quoting import identifier

Node = Any
Name = tuple[str, str]
"""Schema and name, unquoted."""
TABLES = frozenset({"r", "p"})


class Column(Struct, frozen=True):
    """``kind`` is ``pg_type.typtype``; ``builtin``: its type is PostgreSQL's own. An array is as its elements are."""

    type: str
    place: Name
    """Schema and name of the type."""
    builtin: bool
    kind: str
    not_null: bool
    deterministic: bool
    generated: bool = False

    @property
    def plain(self) -> bool:
        """Whether comparing its values runs PostgreSQL's own code, whatever the search path."""
        return self.kind == "e" or (self.builtin and self.kind in "brm")


class Partitioning(Struct, frozen=True):
    """Of a partitioned table. ``strategy``: ``l``, ``r`` or ``h``; ``plain``: by columns alone, in their own order.

    ``is_part``: of another table.
    """

    strategy: str
    columns: tuple[str, ...]
    plain: bool
    has_default: bool
    is_part: bool


class Table(Struct, frozen=True):
    """``kind`` is ``pg_class.relkind``. ``entangled``: rows are in it through others, or it through them.

    ``key``: columns of its primary key. ``unvalidated``: constraints by name, as ADD CONSTRAINT would be given them.
    """

    name: Name
    kind: str
    readable: bool
    entangled: bool = False
    foreign_parts: bool = False
    fires: bool = False
    """Whether writing it may run triggers or rules."""
    columns: Mapping[str, Column] = {}
    key: tuple[str, ...] = ()
    unvalidated: Mapping[str, str] = {}
    partitioning: Partitioning | None = None
    demands: frozenset[str] = frozenset()
    """Its unique indexes and foreign keys, as text that is the same for the same."""

    @property
    def generates(self) -> bool:
        """Whether columns of it change with others."""
        return any(column.generated for column in self.columns.values())

    def source(self, *, whole: bool = True) -> str:
        """For FROM; ``whole``: with the rows of tables that inherit from it."""
        return ("" if whole or self.kind == "p" else "ONLY ") + identifier(*self.name)


class Cascade(Struct, frozen=True):
    """A foreign key that changes rows of ``child`` with those of ``parent``; ``columns`` are the parent's."""

    parent: Name
    child: Name
    columns: frozenset[str]
    on_update: bool
    on_delete: bool


class Known(Struct, frozen=True):
    """``visible``: where names without a schema lead. ``functions``, ``operators``: those that are PostgreSQL's own,
    keep no secrets from call to call, run and read nothing by a name that they are told, and can be mistaken for nobody
    else's."""

    default: str = "public"
    visible: Mapping[str, Name] = {}
    tables: Mapping[Name, Table] = {}
    relations: frozenset[Name] = frozenset()
    """Names that are taken, as far as the scripts mention them."""
    enums: frozenset[Name] = frozenset()
    visible_enums: Mapping[str, Name] = {}
    domains: frozenset[str] = frozenset()
    cascades: tuple[Cascade, ...] = ()
    functions: frozenset[str] = frozenset()
    calm: frozenset[str] = frozenset()
    """The same with aggregates and window functions."""
    operators: frozenset[str] = frozenset()
    cast_types: frozenset[str] = frozenset()
    """Types of users from which or to which casts run functions of theirs."""
    recast: bool = False
    """Whether there are such casts also between types that are PostgreSQL's own."""
    version: int = 150000

    def name_of(self, schema: str | None, name: str) -> Name:
        """What a name means before anything is applied."""
        return (schema, name) if schema else self.visible.get(name, (self.default, name))

    def enum(self, schema: str | None, name: str) -> Name | None:
        """The enum that a name means."""
        if schema is None:
            return self.visible_enums.get(name)
        return (schema, name) if (schema, name) in self.enums else None

    def type_place(self, schema: str | None, name: str) -> Name:
        """Where a type of that name is, or would be made."""
        return (schema, name) if schema else self.visible_enums.get(name, (self.default, name))


class Mentioned(Struct, frozen=True):
    """Names in the scripts that the database is asked about; relations with their schema, where it is written."""

    relations: frozenset[tuple[str | None, str]]
    functions: frozenset[str]
    operators: frozenset[str]


def constraint_of(definition: str) -> Node | None:
    """A constraint as ADD CONSTRAINT would be given it; ``None`` where it cannot be read."""
    from operations.migrations.parser import ParseError, parse_sql

    try:
        statement: Any = parse_sql(f"ALTER TABLE t ADD CONSTRAINT c {definition}")[0].stmt
    except ParseError:
        return None
    return statement.cmds[0].def_


def mentioned(nodes: Collection[Node]) -> Mentioned:
    """All names in these parse trees."""
    relations: set[tuple[str | None, str]] = set()
    functions: set[str] = set()
    operators: set[str] = set()
    for node in nodes:
        for item in tree(node):
            kind = type(item).__name__
            if kind == "RangeVar":
                relations.add((item.schemaname, item.relname))
            elif kind == "FuncCall":
                functions.add(item.funcname[-1].sval)
            elif kind == "A_Expr":
                operators.add(item.name[-1].sval)
            elif kind == "IndexStmt" and item.idxname:
                relations.add((item.relation.schemaname, item.idxname))
        relations.update(_dropped(node))
    return Mentioned(frozenset(relations), frozenset(functions), frozenset(operators))


def _dropped(node: Node) -> Iterator[tuple[str | None, str]]:
    if type(node).__name__ == "DropStmt" and node.removeType.name == "OBJECT_TABLE":
        for parts in node.objects:
            names = [part.sval for part in parts]
            yield (names[-2] if len(names) > 1 else None, names[-1])
