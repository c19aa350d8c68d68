"""What the database holds before the new migrations, as far as rules ask. Pure.

Definitions of constraints and indexes are kept as PostgreSQL prints them and looked into where a rule needs it
(``shapes``): a base of thousands of objects costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from operations.catalog import Catalog
from operations.relation_names import name_parts

Name = tuple[str, str]
"""Schema and name, unquoted."""
PUBLIC = "public"
_NAME = r'(?:"(?:[^"]|"")+"|[^". ]+)'
_INDEX_ON = re.compile(rf" INDEX {_NAME} ON (?:ONLY )?({_NAME}\.{_NAME}) USING ")


class Column(Struct, frozen=True):
    """``type`` as SQL writes it, such as ``character varying(20)``."""

    type: str
    not_null: bool = False


class Index(Struct, frozen=True):
    """``definition`` is CREATE INDEX."""

    definition: str
    valid: bool = True


class Table(Struct, frozen=True):
    """``constraints``: by name, the definition as in ``ADD CONSTRAINT name …``. ``rows``: ``None`` if unknown."""

    columns: Mapping[str, Column]
    constraints: Mapping[str, str] = {}
    indexes: Mapping[str, Index] = {}
    rows: int | None = None
    partitioned: bool = False


class Domain(Struct, frozen=True):
    """``constrained``: its values are checked, by NOT NULL or CHECK."""

    type: str
    constrained: bool


class Schema(Struct, frozen=True):
    """``default`` is the schema that names without one belong to."""

    tables: Mapping[Name, Table]
    domains: Mapping[Name, Domain] = {}
    default: str = PUBLIC


def schema_of(catalog: Catalog, rows: Mapping[Name, int] | None = None, default: str = PUBLIC) -> Schema:
    """The catalog in the rules' terms; ``rows`` are the counts that are known."""
    parts = _Parts()
    for identity, definition in catalog.objects.items():
        kind, _, name = identity.partition(" ")
        names = name_parts(name) if kind in ("table", "column", "constraint", "index", "type") else None
        if names:
            parts.take(kind, names, json.loads(definition))
    return parts.schema(rows or {}, default)


@dataclass
class _Parts:
    """Objects as they come, in no order."""

    tables: dict[Name, bool] = field(default_factory=dict)
    """Whether it is partitioned."""
    columns: dict[Name, dict[str, Column]] = field(default_factory=dict)
    constraints: dict[Name, dict[str, str]] = field(default_factory=dict)
    indexes: dict[Name, dict[str, Index]] = field(default_factory=dict)
    domains: dict[Name, dict[str, object]] = field(default_factory=dict)

    def take(self, kind: str, names: tuple[str, ...], said: dict[str, object]) -> None:
        owner = (names[0], names[1])
        if kind == "table":
            self.tables[owner] = "partition_key" in said
        elif kind == "column":
            self.columns.setdefault(owner, {})[names[2]] = _column(said)
        elif kind == "constraint":
            self.constraints.setdefault(owner, {})[names[2]] = str(said["definition"])
        elif kind == "index":
            definition = str(said["definition"])
            table = _table_of(definition)
            if table:
                self.indexes.setdefault(table, {})[names[1]] = Index(definition, not said.get("invalid"))
        elif "domain_of" in said:
            self.domains[owner] = said

    def schema(self, rows: Mapping[Name, int], default: str) -> Schema:
        tables = {
            name: Table(
                self.columns.get(name, {}),
                self.constraints.get(name, {}),
                self.indexes.get(name, {}),
                rows.get(name),
                partitioned,
            )
            for name, partitioned in self.tables.items()
        }
        domains = {
            name: Domain(str(said["domain_of"]), bool(said.get("not_null")) or bool(self.constraints.get(name)))
            for name, said in self.domains.items()
        }
        return Schema(tables, domains, default)


def _column(said: dict[str, object]) -> Column:
    return Column(str(said["type"]), bool(said.get("not_null")))


def _table_of(definition: str) -> Name | None:
    """The table of an index, from ``CREATE INDEX name ON [ONLY] schema.table USING …``."""
    match = _INDEX_ON.search(definition)
    parts = name_parts(match[1]) if match else None
    return (parts[0], parts[1]) if parts else None
