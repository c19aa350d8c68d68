"""A ``down.sql`` for a migration that has none: of its statements, or of what the catalog says it has changed. Pure.

What is proposed need not be right: it is tried, and only what leads back is shown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from operations.catalog import Catalog, Difference, diff
from operations.catalog.identities import Identity, identity, plain, table_of_index
from operations.migrations.inverse import inverse
from operations.migrations.script import Script, Statement
from operations.migrations.splitting import split
from operations.segments import TRANSACTION_COMMANDS

ORDER = (
    "policy", "trigger", "rule", "view", "materialized view", "constraint", "index", "statistics", "column", "table",
    "foreign table", "sequence", "function", "procedure", "aggregate", "type", "extension", "schema",
)  # fmt: skip
"""In which added objects can be dropped."""
WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "DO", "CALL", "SELECT", "EXECUTE"})
ON_TABLE = frozenset({"policy", "trigger", "rule"})
MOST = 1_000_000
"""Characters of a script; more than that are rows, which nobody undoes by what the catalog says."""
GRANTED_ON = {
    "table": "TABLE", "foreign table": "TABLE", "view": "TABLE", "materialized view": "TABLE", "sequence": "SEQUENCE",
    "function": "FUNCTION", "procedure": "PROCEDURE", "schema": "SCHEMA", "type": "TYPE",
}  # fmt: skip
"""How GRANT calls the kinds of objects that have privileges."""
PRIVILEGES = frozenset({"granted", "revoked"})
OPTION = " with grant option"
ROW_SECURITY = {None: "DISABLE ROW LEVEL SECURITY", "enabled": "ENABLE ROW LEVEL SECURITY"}


class NotThus(Exception):
    """What was changed cannot be changed back by what the catalog tells."""


def proposals(script: Script, before: Catalog, after: Catalog, schema: str) -> Iterator[tuple[str, bool]]:
    """The likelier one first, each with whether a deploy would find it by itself, as it inverts statements, too.

    An empty text where there is nothing to undo. ``schema`` is that of names without one.
    """
    if len(script.text) > MOST:
        return
    of_statements = _of_statements(script)
    if of_statements is not None:
        yield of_statements, True
    of_catalogs = None if _writes(script, before, after, schema) else _of_catalogs(before, after)
    if of_catalogs is not None and of_catalogs != of_statements:
        yield of_catalogs, False


def _is_table(column: Identity, catalog: Catalog) -> bool:
    return f"table {column.table}" in catalog.objects


def _writes(script: Script, before: Catalog, after: Catalog, schema: str) -> bool:
    """Whether it may write rows that its undoing by the catalog would leave behind: any but those in what it adds."""
    if script.statements is None:
        return True
    added = {d.object for d in diff(before, after) if d.kind == "added"}
    return any(_may_write(statement, added, schema) for statement in script.statements)


def _may_write(statement: Statement, added: Collection[str], default: str) -> bool:
    if statement.kind not in WRITING:
        return False
    node = split(statement.text)[0].exact_node()
    relation = getattr(node, "relation", None)
    if relation is None:
        return True
    schema, name = relation.schemaname or default, relation.relname
    if _named("table", added, schema, name):
        return False
    columns = [target.name for target in node.targetList or ()] if statement.kind == "UPDATE" else []
    return not columns or not all(_named("column", added, schema, name, column) for column in columns)


def _named(kind: str, identities: Collection[str], *parts: str) -> bool:
    return any(one.kind == kind and tuple(map(plain, one.parts)) == parts for one in map(identity, identities))


def _of_statements(script: Script) -> str | None:
    if script.statements is None:
        return None
    undone = []
    for statement in reversed(script.statements):
        if statement.kind in TRANSACTION_COMMANDS:
            continue
        one = inverse(statement.text)
        if one is None:
            return None
        undone.append(one)
    return _script([text for text in undone if text])


def _of_catalogs(before: Catalog, after: Catalog) -> str | None:
    found = diff(before, after)
    try:
        return _script([*_drops(found, after), *_returns(found)])
    except NotThus:
        return None


def _script(statements: Sequence[str]) -> str:
    return "".join(f"{statement.strip().rstrip(';')};\n" for statement in statements)


def _drops(found: Sequence[Difference], after: Catalog) -> list[str]:
    added = [(identity(d.object), json.loads(d.after or "{}")) for d in found if d.kind == "added"]
    tables = {one.name for one, _ in added if one.kind in ("table", "foreign table", "view", "materialized view")}
    constraints = {f"{one.parts[0]}.{one.last}" for one, _ in added if one.kind == "constraint"}
    parents = {one.name: value.get("parents") or () for one, value in added if one.kind == "table"}
    statements = [
        ((*rank, -_generation(one.name, parents)), text)
        for one, value in added
        for rank, text in _drop(one, value, tables, constraints, after)
    ]
    return [text for _, text in sorted(statements, key=lambda pair: pair[0])]


def _generation(table: str, parents: Mapping[str, Sequence[str]]) -> int:
    """How many stand above it of those that are new: partitions and heirs go before what they belong to."""
    return max((1 + _generation(parent, parents) for parent in parents.get(table, ())), default=0)


def _drop(
    one: Identity, value: Any, tables: set[str], constraints: set[str], after: Catalog
) -> Iterator[tuple[tuple[int, int], str]]:
    """With the place in the order: within constraints foreign keys come first, as they need the others."""
    definition = str(value.get("definition", "")) if isinstance(value, dict) else ""
    if one.kind == "columns" or definition.startswith("NOT NULL "):
        return
    if one.kind not in ORDER:
        raise NotThus(one.kind)
    rank = ORDER.index(one.kind)
    if one.kind == "constraint":
        foreign = definition.startswith("FOREIGN KEY")
        if foreign or one.table not in tables:
            yield (rank, not foreign), f"ALTER TABLE {one.table} DROP CONSTRAINT {one.last}"
    elif one.kind in ON_TABLE:
        if one.table not in tables:
            yield (rank, 0), f"DROP {one.kind.upper()} {one.last} ON {one.table}"
    elif one.kind == "column":
        if one.table not in tables and _is_table(one, after):
            yield (rank, 0), f"ALTER TABLE {one.table} DROP COLUMN {one.last}"
    elif not _comes_with(one, value, definition, tables, constraints):
        yield (rank, 0), f"DROP {one.kind.upper()} {one.name}"


def _comes_with(one: Identity, value: Any, definition: str, tables: set[str], constraints: set[str]) -> bool:
    """Whether it goes with its table, its constraint or its column."""
    if one.kind == "index":
        return one.name in constraints or table_of_index(definition) in tables
    return one.kind == "sequence" and bool(value.get("owned_by") or value.get("identity_of"))


def _returns(found: Sequence[Difference]) -> Iterator[str]:
    """What was removed or changed without a row being lost, as it was."""
    removed = [d for d in found if d.kind == "removed"]
    constraints = {f"{i.parts[0]}.{i.last}" for i in (identity(d.object) for d in removed) if i.kind == "constraint"}
    for difference in (d for d in found if d.kind != "added"):
        one, old = identity(difference.object), json.loads(difference.before or "{}")
        if difference.kind == "removed":
            yield from _again(one, old, constraints)
        else:
            yield from _as_before(one, old, json.loads(difference.after or "{}"))


def _again(one: Identity, old: Any, constraints: set[str]) -> Iterator[str]:
    definition = str(old.get("definition", "")) if isinstance(old, dict) else ""
    if one.kind == "constraint" and definition.startswith("NOT NULL "):
        return
    if one.kind == "constraint":
        yield f"ALTER TABLE {one.table} ADD CONSTRAINT {one.last} {definition}"
    elif one.kind == "index":
        if one.name not in constraints:
            yield definition
    elif one.kind in ("function", "procedure", "trigger") and definition:
        yield definition
    elif one.kind == "view" and set(old) <= {"owner", "query"}:
        yield f"CREATE VIEW {one.name} AS {old['query']}"
    else:
        raise NotThus(one.kind)


def _as_before(one: Identity, old: Any, new: Any) -> Iterator[str]:
    if not isinstance(old, dict):
        raise NotThus(one.kind)
    changed = {name for name in {**old, **new} if old.get(name) != new.get(name)}
    if changed & PRIVILEGES and one.kind in GRANTED_ON:
        yield from _privileges_as_before(f"{GRANTED_ON[one.kind]} {one.name}", old, new)
        changed -= PRIVILEGES
    if not changed:
        return
    if one.kind == "column" and changed <= {"default", "not_null"}:
        yield from _column_as_before(one, old, changed)
    elif one.kind in ("function", "procedure") and changed == {"definition"}:
        yield str(old["definition"])
    elif one.kind == "table" and changed == {"row_security"} and old.get("row_security") in ROW_SECURITY:
        yield f"ALTER TABLE {one.name} {ROW_SECURITY[old.get('row_security')]}"
    else:
        raise NotThus(one.kind)


def _privileges_as_before(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Of what is written as ``catalog/normal.py`` does: ``app SELECT``, ``PUBLIC USAGE with grant option``."""

    def only(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> list[str]:
        return sorted({*one.get(key, ())} - {*other.get(key, ())})

    for told in (*only(new, old, "granted"), *only(old, new, "revoked")):
        grantee, _, privilege = told.removesuffix(OPTION).rpartition(" ")
        yield f"REVOKE {privilege} ON {place} FROM {grantee}"
    for told in (*only(old, new, "granted"), *only(new, old, "revoked")):
        grantee, _, privilege = told.removesuffix(OPTION).rpartition(" ")
        yield f"GRANT {privilege} ON {place} TO {grantee}" + (" WITH GRANT OPTION" if told.endswith(OPTION) else "")


def _column_as_before(one: Identity, old: Mapping[str, Any], changed: set[str]) -> Iterator[str]:
    column = f"ALTER TABLE {one.table} ALTER COLUMN {one.last}"
    if "not_null" in changed:
        yield f"{column} {'SET' if old.get('not_null') else 'DROP'} NOT NULL"
    if "default" in changed:
        yield f"{column} SET DEFAULT {old['default']}" if "default" in old else f"{column} DROP DEFAULT"
