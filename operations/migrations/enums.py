"""Values added to an enum, and whether they are used before they are committed (SQLSTATE 55P04). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct

from operations.migrations.bodies import procedural_body
from operations.migrations.statement import Parsed, Statement

ADD_VALUE = "ALTER TYPE ADD VALUE"
_LISTING = frozenset({"enum_first", "enum_last", "enum_range"})


class Unsafe(Struct, frozen=True):
    """A statement that uses what an earlier one of the same script has added."""

    value: str
    added_in: Statement
    used_in: Statement


def added_values(parsed: Sequence[Parsed]) -> dict[str, Statement]:
    """Values that the script adds to enums, with the statement that does."""
    return {one.node.newVal: one.statement for one in parsed if one.statement.kind == ADD_VALUE}


def unsafe_use(parsed: Sequence[Parsed]) -> Unsafe | None:
    """The first use of an added value.

    Which type a constant will take, the parser cannot know: any that equals the value, or holds it in an array, counts.
    """
    added: dict[str, Statement] = {}
    for one in parsed:
        for constant in _constants(one.node) if added else ():
            value = _held(constant, added)
            if value is not None:
                return Unsafe(value, added[value], one.statement)
        if one.statement.kind == ADD_VALUE:
            added[one.node.newVal] = one.statement
    return None


def _held(constant: str | None, values: Collection[str]) -> str | None:
    """The first of the values that a constant is or holds."""
    if constant in values:
        return constant
    if constant is None:
        return next(iter(values))
    return next((value for value in values if value in constant), None) if constant.startswith("{") else None


def _constants(node: Any) -> Iterator[str | None]:
    """String constants of a statement, also in a body that is looked at at once; ``None`` stands for any value."""
    name = type(node).__name__
    if name in ("DoStmt", "CreateFunctionStmt"):
        body = procedural_body(node.args if name == "DoStmt" else node.options)
        if name == "DoStmt" or body.language == "sql":
            yield from body.text.split("'")
    for item in tree(node):
        kind = type(item).__name__
        if kind == "A_Const" and hasattr(item.val, "sval"):
            yield item.val.sval
        elif kind == "FuncCall" and item.funcname[-1].sval in _LISTING:
            yield None


def tree(node: Any) -> Iterator[Any]:
    """Every node of a parse tree, or of a part of one."""
    left = [node]
    while left:
        item = left.pop()
        if isinstance(item, tuple):
            left += item
        elif type(item).__module__ == "pglast.ast":
            yield item
            left += (getattr(item, attribute) for attribute in item)
