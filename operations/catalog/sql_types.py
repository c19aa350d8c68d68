"""SQL of types: enums, domains, ranges, composite and base types. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from operations.catalog.sql import Changers, Made, Maker, Properties, Subject, bare, name, said, text_of, words_of
from operations.catalog.sql_columns import column_words
from operations.catalog.sql_relations import parts
from operations.quoting import literal

BASE = ("INPUT", "OUTPUT", "RECEIVE", "SEND", "TYPMOD_IN", "TYPMOD_OUT", "ANALYZE")


def _type(subject: Subject, value: Properties) -> Made:
    begin = f"CREATE TYPE {subject.name}"
    kind = value.get("kind")
    if kind == "e":
        return f"{begin} AS ENUM ({', '.join(literal(label).strip() for label in value['labels'] or ())})", said(
            "kind", "labels"
        )
    if kind == "c":
        lines = [f"    {one.identity.last} {column_words(of)}" for one, of in parts(subject, "attribute")]
        return f"{begin} AS (\n" + ",\n".join(lines) + "\n)", said("kind")
    if kind == "d":
        return _domain(subject, value), said("kind", "domain_of", "default", "not_null", "collation")
    if kind == "r":
        return f"{begin} AS RANGE ({_range(value['range'])})", said("kind", "range")
    if kind == "b":
        return f"{begin} ({_base(value)})", said("kind", "base", "default")
    return begin, said("kind")


def _domain(subject: Subject, value: Properties) -> str:
    words = [f"CREATE DOMAIN {subject.name} AS {value['domain_of']}"]
    words += [f"COLLATE {value['collation']}"] if value.get("collation") else []
    words += [f"DEFAULT {value['default']}"] if "default" in value else []
    words += ["NOT NULL"] if value.get("not_null") else []
    for one, of in parts(subject, "constraint"):
        if not str(of["definition"]).startswith("NOT NULL"):
            words.append(f"CONSTRAINT {one.identity.last} {of['definition']}")
    return " ".join(words)


def _range(entries: list[str | None]) -> str:
    subtype, multirange, collation, operators, canonical, difference = entries
    return words_of((
        ("SUBTYPE", subtype), ("SUBTYPE_OPCLASS", name(operators) if operators else None), ("COLLATION", collation),
        ("CANONICAL", bare(canonical)), ("SUBTYPE_DIFF", bare(difference)), ("MULTIRANGE_TYPE_NAME", multirange),
    ))  # fmt: skip


def _base(value: Properties) -> str:
    *functions, length, by_value, align, storage, category, preferred, delimiter, element = value["base"]
    alignments = {"c": "char", "s": "int2", "i": "int4", "d": "double"}
    storages = {"p": "plain", "e": "external", "x": "extended", "m": "main"}
    words = words_of((
        *zip(BASE, map(bare, functions), strict=True),
        ("INTERNALLENGTH", length if length > 0 else "VARIABLE"), ("ALIGNMENT", alignments.get(align, align)),
        ("STORAGE", storages.get(storage, storage)), ("CATEGORY", text_of(category)),
        ("PREFERRED", "true" if preferred else None), ("DEFAULT", text_of(value.get("default"))),
        ("ELEMENT", element), ("DELIMITER", text_of(delimiter)),
    ))  # fmt: skip
    return f"{words}, PASSEDBYVALUE" if by_value else words


def _domain_default(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER DOMAIN {subject.name} {'SET DEFAULT ' + mine['default'] if 'default' in mine else 'DROP DEFAULT'}"


def _domain_null(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER DOMAIN {subject.name} {'SET' if mine.get('not_null') else 'DROP'} NOT NULL"


KINDS: Mapping[str, tuple[Maker, Changers]] = {"type": (_type, {"default": _domain_default, "not_null": _domain_null})}
