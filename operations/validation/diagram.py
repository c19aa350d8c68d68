"""The touched tables as a Mermaid entity diagram (https://mermaid.js.org/syntax/entityRelationshipDiagram.html). Pure.

No text of the pull request goes into it as it is: letters, digits and underscores alone, so that nothing can end an
entity or the fence around the diagram.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from operations.catalog import Catalog, diff
from operations.catalog.identities import identity, plain
from operations.validation.schema_changes import touched_tables

MOST_ENTITIES = 30
MOST_COLUMNS = 40
LONGEST = 48
_FOREIGN = re.compile(
    r"FOREIGN KEY \((.*?)\) REFERENCES ((?:\"(?:[^\"]|\"\")*\"|[^\s\"(.]+)(?:\.(?:\"(?:[^\"]|\"\")*\"|[^\s\"(.]+))?)\("
)
_NOT_A_WORD = re.compile(r"[^A-Za-z0-9_]+")


def diagram(before: Catalog, after: Catalog) -> str | None:
    """``None`` where no table is touched. Tables that a touched one refers to are drawn without their columns."""
    touched = [t for t in touched_tables(diff(before, after)) if f"table {t}" in {**before.objects, **after.objects}]
    if not touched:
        return None
    drawn = touched[:MOST_ENTITIES]
    relations = [r for r in _relations(after) if r[0] in drawn or r[1] in drawn]
    others = [name for r in relations for name in r[:2] if name not in drawn]
    drawn += list(dict.fromkeys(others))[: MOST_ENTITIES - len(drawn)]
    names = {table: f"t{number}" for number, table in enumerate(drawn)}
    lines = ["erDiagram"]
    for table in drawn:
        lines += _entity(names[table], table, before, after, table in touched)
    for child, parent, label in relations:
        if child in names and parent in names:
            lines.append(f'    {names[parent]} ||--o{{ {names[child]} : "{_word(label)}"')
    return "\n".join(lines)


def _entity(alias: str, table: str, before: Catalog, after: Catalog, touched: bool) -> Iterator[str]:
    parts = [plain(part) for part in identity(f"table {table}").parts]
    shown = "_".join(_word(part) for part in (parts[1:] if parts[0] == "public" else parts))
    columns = list(_columns(table, before, after)) if touched else []
    yield f'    {alias}["{shown}"]' + (" {" if columns else "")
    if columns:
        yield from columns
        yield "    }"


def _columns(table: str, before: Catalog, after: Catalog) -> Iterator[str]:
    old, new = _types(before, table), _types(after, table)
    keys = _keys(after, table)
    names = list(dict.fromkeys([*_ordered(after, table), *_ordered(before, table)]))
    for name in names[:MOST_COLUMNS]:
        text = new.get(name) or old.get(name)
        if text is None:
            continue
        kind = _word(str(json.loads(text).get("type", "")).split(".")[-1])
        state = "added" if name not in old else "removed" if name not in new else "changed"
        comment = f' "{state}"' if old.get(name) != new.get(name) else ""
        key = f" {keys[name]}" if name in keys else ""
        yield f"        {kind} {_word(name)}{key}{comment}"


def _types(catalog: Catalog, table: str) -> Mapping[str, str]:
    beginning = f"column {table}."
    return {plain(identity(key).last): text for key, text in catalog.objects.items() if key.startswith(beginning)}


def _ordered(catalog: Catalog, table: str) -> Sequence[str]:
    found: list[str] = json.loads(catalog.objects.get(f"columns of {table}", "[]"))
    return found


def _keys(catalog: Catalog, table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    texts = [t for k, t in catalog.objects.items() if k.startswith(f"constraint {table}.")]
    definitions = [str(json.loads(text).get("definition", "")) for text in texts]
    for kind, beginning in (("PK", "PRIMARY KEY ("), ("FK", "FOREIGN KEY ("), ("UK", "UNIQUE (")):
        for definition in definitions:
            if definition.startswith(beginning):
                for name in definition[len(beginning) :].partition(")")[0].split(", "):
                    found.setdefault(plain(name), kind)
    return found


def _relations(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    """Child, parent, name of each foreign key."""
    for key, text in sorted(catalog.objects.items()):  # PostgreSQL tells them in any order
        if key.startswith("constraint ") and "FOREIGN KEY" in text:
            one, match = identity(key), _FOREIGN.match(str(json.loads(text).get("definition", "")))
            if match:
                yield one.table, match[2], plain(one.last)


def _word(text: str) -> str:
    """Letters, digits and underscores; it never begins with a digit."""
    word = _NOT_A_WORD.sub("_", text)[:LONGEST].strip("_") or "x"
    return f"_{word}" if word[0].isdigit() else word
