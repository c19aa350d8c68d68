"""SQL of columns: of tables, views and composite types. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from operations.catalog.sql import (
    Changers,
    Made,
    Maker,
    Properties,
    Subject,
    foreign_options,
    set_foreign_options,
    set_options,
)

STORAGES = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED", None: "DEFAULT"}
COLUMN = frozenset({"type", "collation", "not_null", "default", "identity", "generated_stored", "generated_virtual"})


def column_words(value: Properties) -> str:
    """What stands behind a column's name."""
    words = [str(value["type"])]
    if value.get("collation"):
        words.append(f"COLLATE {value['collation']}")
    if value.get("foreign_options"):
        words.append(f"OPTIONS ({foreign_options(value['foreign_options'])})")
    words += filling(value)
    return " ".join([*words, "NOT NULL"] if value.get("not_null") else words)


def filling(value: Properties) -> Iterator[str]:
    """What fills a column by itself."""
    if "default" in value:
        yield f"DEFAULT {value['default']}"
    if "identity" in value:
        yield f"GENERATED {str(value['identity']).upper()} AS IDENTITY"
    for key in ("generated_stored", "generated_virtual"):
        if key in value:
            yield f"GENERATED ALWAYS AS ({value[key]}) {key.removeprefix('generated_').upper()}"


def _column(subject: Subject, value: Properties) -> Made:
    if subject.kind == "attribute":
        return (
            f"ALTER TYPE {subject.identity.table} ADD ATTRIBUTE {subject.identity.last} {column_words(value)}",
            COLUMN,
        )
    if subject.owner_kind.endswith("view"):
        return f"-- {subject.owner_kind} {subject.identity.table}: {subject.identity.last} {value['type']}", frozenset(
            {"type", "collation"}
        )
    return f"{subject.table} ADD COLUMN {subject.identity.last} {column_words(value)}", COLUMN | {"foreign_options"}


def _type_of_column(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    collation = f" COLLATE {mine['collation']}" if mine.get("collation") else ""
    if subject.kind == "attribute":
        one = subject.identity
        yield f"ALTER TYPE {one.table} ALTER ATTRIBUTE {one.last} TYPE {mine['type']}{collation}"
    elif subject.owner_kind.endswith("view"):
        yield _column(subject, mine)[0]
    else:
        yield f"{_alter_column(subject)} TYPE {mine['type']}{collation}"


def _alter_column(subject: Subject) -> str:
    return f"{subject.table} ALTER COLUMN {subject.identity.last}"


def _not_null(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"{_alter_column(subject)} {'SET' if mine.get('not_null') else 'DROP'} NOT NULL"


def _default(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"{_alter_column(subject)} {'SET DEFAULT ' + mine['default'] if 'default' in mine else 'DROP DEFAULT'}"


def _identity(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    how = str(mine.get("identity", "")).upper()
    if not how:
        yield f"{_alter_column(subject)} DROP IDENTITY"
    elif "identity" in other:
        yield f"{_alter_column(subject)} SET GENERATED {how}"
    else:
        yield f"{_alter_column(subject)} ADD GENERATED {how} AS IDENTITY"


def _storage(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"{_alter_column(subject)} SET STORAGE {STORAGES[mine.get('storage')]}"


def _compression(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    methods = {"p": "pglz", "l": "lz4", None: "default"}
    yield f"{_alter_column(subject)} SET COMPRESSION {methods[mine.get('compression')]}"


def _statistics(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"{_alter_column(subject)} SET STATISTICS {mine.get('statistics', -1)}"


def _column_options(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    yield from set_options(_alter_column(subject), "options", mine, other)


def _column_foreign_options(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    yield from set_foreign_options(_alter_column(subject), mine, other)


_COLUMNS: Changers = {
    "type": _type_of_column, "collation": _type_of_column, "not_null": _not_null, "default": _default,
    "identity": _identity, "storage": _storage, "compression": _compression, "statistics": _statistics,
    "options": _column_options, "foreign_options": _column_foreign_options,
}  # fmt: skip
KINDS: Mapping[str, tuple[Maker, Changers]] = {"column": (_column, _COLUMNS), "attribute": (_column, _COLUMNS)}
