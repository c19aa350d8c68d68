"""ALTER COLUMN … TYPE as a question to the values that are to become others. Pure."""

from __future__ import annotations

from typing import Any

from operations.preflight.asking_for import About, Found
from operations.preflight.expressions import Reading, Unsuitable, Written, without_casts
from operations.preflight.model import Probe
from operations.quoting import identifier, literal

Node = Any
_TEXTS = frozenset({"text", "varchar", "bpchar"})
SOFT_ERRORS = 160000
"""The first version that has ``pg_input_is_valid``."""


def cast(about: About, command: Node) -> Found:
    """The new values, made and thrown away."""
    column, target, using = command.name, command.def_.typeName, command.def_.raw_default
    if column not in about.table.columns and not about.empty(column):
        about.refuse_doubt((column,))
        return
    if about.empty(column):
        return
    about.refuse_doubt((column,))
    reading = about.reading
    values = reading.pending_enum(target)
    if values is not None:
        yield _to_new_enum(about, column, target, using, values)
        return
    source = reading.written(using) if using else _itself(reading, column)
    about.refuse_doubt(source.columns)
    length = _length(target)
    type_sql = reading.type_sql(target)
    wrong = f"{identifier(column)} cannot become {type_sql}"
    if length is not None:
        cut = f"rtrim(substr(({source.sql})::text, {length + 1}), ' ') <> ''"
        yield about.counting("cast", f"{identifier(column)} is too long for {type_sql}", cut)
    elif using or not _always(target):
        yield _by_casting(about, wrong, source, type_sql, _text_under(reading, using, target))


def _itself(reading: Reading, column: str) -> Written:
    known = reading.table.columns[column]
    if not known.plain:
        raise Unsuitable(f"the type of {identifier(column)} is not PostgreSQL's own")
    reading.refuse_casts(known.place)
    return Written(identifier(column), frozenset({column}))


def _by_casting(about: About, wrong: str, source: Written, type_sql: str, text: Written | None) -> Probe:
    """Which rows they are, PostgreSQL can tell where the type is made of a text, since version 16."""
    made = f"SELECT count(CAST(({source.sql}) AS {type_sql})) FROM {about.source}"
    if text is None or about.state.known.version < SOFT_ERRORS:
        return Probe(about.spot, "cast", wrong, made, f"{made};", trial=True)
    invalid = f"NOT pg_input_is_valid(({text.sql})::text, {literal(type_sql)})"
    counted = about.counting("cast", wrong, invalid)
    return Probe(about.spot, "cast", wrong, made, counted.look, trial=True, counted=counted.sql)


def _text_under(reading: Reading, using: Node, target: Node) -> Written | None:
    """What is cast to the type and nothing else, where it is a text."""
    if type(using).__name__ != "TypeCast" or using.typeName != target:
        return None
    inner = using.arg
    if type(inner).__name__ == "TypeCast" and _base(inner.typeName) in _TEXTS and not inner.typeName.arrayBounds:
        return reading.written(inner)
    if type(inner).__name__ == "ColumnRef":
        written = reading.written(inner)
        (column,) = written.columns
        textual = reading.table.columns[column].type.split("(")[0] in ("text", "character varying")
        return written if textual else None
    return None


def _to_new_enum(about: About, column: str, target: Node, using: Node, values: tuple[str, ...]) -> Probe:
    """Its values are known, though it is not there yet: ``USING (column::text::"New")``."""
    outer, *casts = without_casts(using)
    same = type(outer).__name__ == "TypeCast" and outer.typeName == target
    if not same or type(casts[0]).__name__ != "TypeCast" or _base(casts[0].typeName) != "text":
        raise Unsuitable("its new type is made by an earlier statement")
    text = about.reading.written(casts[0])
    about.refuse_doubt(text.columns)
    allowed = f"ARRAY[{', '.join(map(literal, values))}]::text[]"
    where = f"({text.sql})::text <> ALL ({allowed})"
    if target.arrayBounds:
        where = f"EXISTS (SELECT FROM unnest(({text.sql})::text[]) AS one WHERE one <> ALL ({allowed}))"
    name = identifier(target.names[-1].sval) + "[]" * bool(target.arrayBounds)
    return about.counting("cast", f"{identifier(column)} cannot become {name}", where)


def _base(target: Node) -> str:
    return str(target.names[-1].sval)


def _length(target: Node) -> int | None:
    """Of varchar(n) and char(n): what is longer is refused, but for blanks."""
    if _base(target) not in ("varchar", "bpchar") or target.arrayBounds or not target.typmods:
        return None
    value = getattr(getattr(target.typmods[0], "val", None), "ival", None)
    if len(target.typmods) > 1 or not isinstance(value, int):
        raise Unsuitable("its length is written in an unusual way")
    return value


def _always(target: Node) -> bool:
    """Whether any value can become that."""
    return _base(target) in ("text", "varchar") and not target.arrayBounds
