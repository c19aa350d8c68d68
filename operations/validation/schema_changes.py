"""The difference of two catalogs as people read it: before and after, one entry for an object with its parts. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from operations.catalog import Catalog, Difference, diff
from operations.catalog.identities import Identity, identity, table_of_index
from operations.catalog.sql_columns import filling
from operations.validation.model import SchemaChange

TABLES = frozenset({"table", "foreign table"})
WITH_COLUMNS = TABLES | {"view", "materialized view"}
OF_TABLE = frozenset({"column", "attribute", "constraint", "trigger", "policy", "rule", "columns"})
UNSAID = frozenset({"owner", "access_method"})
"""Properties that are the same everywhere, or the trial's own."""
LONGEST = 4_000
"""Characters of one side; a definition beyond that is cut, as nobody reads it in a table."""
ORDER = (
    "schema", "extension", "type", "table", "foreign table", "column", "columns", "constraint", "index", "sequence",
    "view", "materialized view", "function", "procedure", "trigger", "policy",
)  # fmt: skip


def schema_changes(before: Catalog, after: Catalog) -> tuple[SchemaChange, ...]:
    """What differs. What comes or goes with its table is said with the table."""
    found = diff(before, after)
    whole = {d.object for d in found if d.kind != "changed" and identity(d.object).kind in WITH_COLUMNS}
    tables = {identity(name).name for name in whole}
    changes = [_change(d, before, after) for d in found if not _part_of(d, tables)]
    return tuple(sorted((c for c in changes if c), key=_rank))


def touched_tables(changes: Sequence[Difference]) -> tuple[str, ...]:
    """Names of the tables (views left out) that differences are about, sorted."""
    return tuple(sorted({name for d in changes for name in _tables_of(d)}))


def _tables_of(difference: Difference) -> Iterator[str]:
    one = identity(difference.object)
    if one.kind in TABLES or one.kind == "columns":
        yield one.name
    elif one.kind in OF_TABLE:
        yield one.table
    elif one.kind == "index":
        yield table_of_index(_definition(difference.after or difference.before)) or one.name


def _part_of(difference: Difference, tables: set[str]) -> bool:
    """Whether it is told with a table that is new or gone, or with the constraint that makes it."""
    one = identity(difference.object)
    text = difference.after or difference.before
    if one.kind == "constraint" and _definition(text).startswith("NOT NULL "):
        return True  # the column says it
    if difference.kind == "changed":
        return False
    if one.kind == "columns":
        return True
    if one.kind in OF_TABLE:
        return one.table in tables
    if one.kind == "index":
        return table_of_index(_definition(text)) in tables
    if one.kind == "sequence":
        properties = json.loads(text or "{}")
        owner = properties.get("owned_by") or properties.get("identity_of")
        return bool(owner) and identity(f"column {owner}").table in tables
    return False


def _change(difference: Difference, before: Catalog, after: Catalog) -> SchemaChange | None:
    one = identity(difference.object)
    old = _shown(one, difference.before, before)
    new = _shown(one, difference.after, after)
    if difference.kind == "changed" and old == new:
        old, new = _properties(difference, 1), _properties(difference, 2)
        if not (old or new):
            return None
    if one.kind == "columns":
        return SchemaChange("changed", "column order", one.name, old, new)
    return SchemaChange(difference.kind, one.kind, one.name, old, new)


def _properties(difference: Difference, side: int) -> str | None:
    told = [f"{p[0]}: {p[side]}" for p in difference.properties() if p[0] not in UNSAID and p[side] != "–"]
    return _cut("; ".join(told)) if told else None


def _shown(one: Identity, text: str | None, catalog: Catalog) -> str | None:
    if text is None:
        return None
    value = json.loads(text)
    if one.kind == "columns":
        return _cut(", ".join(value))
    if one.kind in WITH_COLUMNS:
        return _cut(_table(one, value, catalog))
    show = _SHOWN.get(one.kind, _other)
    return _cut(show(value))


def _table(one: Identity, value: Mapping[str, Any], catalog: Catalog) -> str:
    """A table's columns, constraints and indexes, a line each; a view's query."""
    if "query" in value:
        return str(value["query"]).strip() + _rest(value, "query")
    lines = []
    order = json.loads(catalog.objects.get(f"columns of {one.name}", "[]"))
    columns = {i.last: text for i, text in _of(catalog, "column", one.name)}
    for name in sorted(columns, key=lambda n: _place(n, order)):
        lines.append(f"{name} {_column(json.loads(columns[name]))}")
    for i, text in _of(catalog, "constraint", one.name):
        definition = _definition(text)
        if not definition.startswith("NOT NULL "):
            lines.append(f"{i.last} {definition}")
    constraints = {i.last for i, _ in _of(catalog, "constraint", one.name)}
    indexes = [(key, _definition(text)) for key, text in sorted(catalog.objects.items()) if key.startswith("index ")]
    lines += [d for key, d in indexes if table_of_index(d) == one.name and identity(key).last not in constraints]
    for kind in ("trigger", "policy"):
        lines += [_SHOWN[kind](json.loads(text)) for _, text in _of(catalog, kind, one.name)]
    return "\n".join(lines) + _rest(value)


def _of(catalog: Catalog, kind: str, table: str) -> Iterator[tuple[Identity, str]]:
    """In the order of their names: PostgreSQL tells them in any."""
    beginning = f"{kind} {table}."
    for key, text in sorted(catalog.objects.items()):
        if key.startswith(beginning):
            yield identity(key), text


def _place(quoted: str, order: Sequence[str]) -> int:
    from operations.catalog.identities import plain

    name = plain(quoted)
    return order.index(name) if name in order else len(order)


def _column(value: Mapping[str, Any]) -> str:
    words = [str(value.get("type", ""))]
    if value.get("not_null"):
        words.append("NOT NULL")
    words += filling(value)
    known = ("type", "not_null", "default", "identity", "generated_stored", "generated_virtual")
    return " ".join(words) + _rest(value, *known)


def _defined(value: Mapping[str, Any]) -> str:
    return str(value.get("definition", "")).strip() + _rest(value, "definition")


def _type(value: Mapping[str, Any]) -> str:
    if "labels" in value and value["labels"] is not None:
        return "enum (" + ", ".join(f"'{label}'" for label in value["labels"]) + ")" + _rest(value, "labels", "kind")
    if "domain_of" in value:
        default = f" DEFAULT {value['default']}" if "default" in value else ""
        null = " NOT NULL" if value.get("not_null") else ""
        return f"domain of {value['domain_of']}{default}{null}" + _rest(
            value, "domain_of", "default", "not_null", "kind"
        )
    return _other(value)


def _policy(value: Mapping[str, Any]) -> str:
    words = ["RESTRICTIVE"] if value.get("restrictive") else []
    commands = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
    words += ["FOR", commands.get(value.get("command", "*"), "ALL"), "TO", ", ".join(value.get("roles") or ["PUBLIC"])]
    if "using" in value:
        words.append(f"USING ({value['using']})")
    if "with_check" in value:
        words.append(f"WITH CHECK ({value['with_check']})")
    return " ".join(words) + _rest(value, "restrictive", "command", "roles", "using", "with_check")


def _other(value: Any) -> str:
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return _rest(value).removeprefix("; ") or "–"


def _rest(value: Mapping[str, Any], *said: str) -> str:
    """What is not said yet, behind a semicolon each."""
    left = {name: one for name, one in value.items() if name not in UNSAID and name not in said}
    return "".join(
        f"; {name.replace('_', ' ')}: {one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}"
        for name, one in left.items()
    )


def _definition(text: str | None) -> str:
    value = json.loads(text or "{}")
    return str(value.get("definition", "")) if isinstance(value, dict) else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST} characters more)"


def _rank(change: SchemaChange) -> tuple[int, str, str]:
    place = ORDER.index(change.kind) if change.kind in ORDER else len(ORDER)
    return place, change.object, change.change


_SHOWN: dict[str, Callable[[Any], str]] = {
    "column": _column,
    "attribute": _column,
    "constraint": _defined,
    "index": _defined,
    "function": _defined,
    "procedure": _defined,
    "trigger": _defined,
    "policy": _policy,
    "type": _type,
}
