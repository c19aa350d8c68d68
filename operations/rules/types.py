"""Types of columns, and whether a column can change from one to another without its rows being written anew. Pure.

What PostgreSQL tells apart: binary-coercible types, and the functions that its planner proves to change nothing
(``ATColumnChangeRequiresRewrite`` in tablecmds.c, and the support functions of varchar, varbit, numeric and times).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from operations.rules.schema import Domain, Name

SERIALS = {
    "smallserial": "int2", "serial2": "int2", "serial": "int4", "serial4": "int4", "bigserial": "int8",
    "serial8": "int8",
}  # fmt: skip
"""What the parser leaves as it is written; all other names of built-in types it makes the catalog's."""
_UNCHANGED = {
    ("varchar", "text"),
    ("text", "varchar"),
    ("cidr", "inet"),
    ("varbit", "varbit"),
    ("xml", "text"),
    ("xml", "varchar"),
}
"""Binary-coercible pairs; with modifiers only the growing ones are."""
_TIMES = frozenset({"timestamp", "timestamptz", "time", "timetz"})
FULL_PRECISION = 6


class Type(Struct, frozen=True):
    """``modifiers`` as written; ``None`` where one is not a number. ``schema`` only for types of one's own."""

    name: str
    modifiers: tuple[int, ...] | None = ()
    array: bool = False
    schema: str | None = None


def type_of(node: Any) -> Type:
    """A ``TypeName`` of the parse tree."""
    *schema, name = [part.sval for part in node.names]
    own = schema[-1] if schema and schema[-1] != "pg_catalog" else None
    modifiers = tuple(_number(modifier) for modifier in node.typmods or ())
    known = tuple(number for number in modifiers if number is not None)
    return Type(
        name if own else SERIALS.get(name, name),
        known if len(known) == len(modifiers) else None,
        bool(node.arrayBounds),
        own,
    )


@lru_cache(maxsize=4096)
def parsed_type(text: str) -> Type | None:
    """A type as the catalog prints it; ``None`` where the parser does not know it."""
    from operations.migrations.parser import ParseError, parse_sql

    try:
        statement: Any = parse_sql(f"SELECT NULL::{text}")[0].stmt
        return type_of(statement.targetList[0].val.typeName)
    except (ParseError, AttributeError):
        return None


def keeps_rows(old: Type, new: Type, domains: Mapping[Name, Domain], default: str, utc: bool = False) -> bool:
    """Whether ``ALTER COLUMN … TYPE`` leaves the rows as they are. ``utc``: the session's time zone is known to be."""
    old, new = replace(old, schema=old.schema or default), replace(new, schema=new.schema or default)
    old_domain = domains.get((old.schema or default, old.name))
    new_domain = domains.get((new.schema or default, new.name))
    if old == new and old.modifiers is not None:
        return True
    if old.array or new.array or old.modifiers is None or new.modifiers is None:
        return False
    if new_domain and new_domain.constrained:
        return False
    if old_domain or new_domain:
        inside = _unlimited(parsed_type(old_domain.type)) if old_domain else old
        outside = parsed_type(new_domain.type) if new_domain else new
        return bool(inside and outside) and keeps_rows(inside, outside, {}, default, utc)  # type: ignore[arg-type]
    return _grows(old.name, new.name, old.modifiers, new.modifiers, utc)


def _unlimited(base: Type | None) -> Type | None:
    """What lies below a domain is for PostgreSQL a value without a length, although the domain has one."""
    return replace(base, modifiers=()) if base else None


def _grows(old: str, new: str, before: tuple[int, ...], after: tuple[int, ...], utc: bool) -> bool:
    if old == new == "numeric":
        return not after or (bool(before) and _scale(before) == _scale(after) and after[0] >= before[0])
    if old in _TIMES and new in _TIMES:
        zones = {old, new} == {"timestamp", "timestamptz"} and utc and (after or (FULL_PRECISION,)) == (FULL_PRECISION,)
        return zones or (old == new and (after or (FULL_PRECISION,)) >= (before or (FULL_PRECISION,)))
    if old == new == "varchar" or (old, new) in _UNCHANGED:
        return not after or (bool(before) and after >= before)
    return False


def _scale(modifiers: tuple[int, ...]) -> int:
    return modifiers[1] if len(modifiers) > 1 else 0


def _number(modifier: Any) -> int | None:
    value = getattr(getattr(modifier, "val", None), "ival", None)
    return value if isinstance(value, int) else None
