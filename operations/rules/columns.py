"""The columns that a statement adds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.rules.state import commands


def new_columns(node: Any) -> Iterator[tuple[int, Any]]:
    """Each ``ColumnDef`` of CREATE TABLE and ADD COLUMN, with the part of ALTER TABLE that it is."""
    if type(node).__name__ == "CreateStmt":
        for element in node.tableElts or ():
            if type(element).__name__ == "ColumnDef" and element.typeName:
                yield 0, element
    else:
        for at, (kind, command) in enumerate(commands(node)):
            if kind == "AddColumn" and command.def_.typeName:
                yield at, command.def_
