"""Pending scripts → what to ask the rows beforehand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from operations.migrations.locking import relation_name
from operations.migrations.script import Script, Statement
from operations.migrations.splitting import split
from operations.preflight.altering import alter
from operations.preflight.asking_for import About, Found, about
from operations.preflight.constraints import index
from operations.preflight.expressions import Unsuitable
from operations.preflight.following import follow
from operations.preflight.known import Known
from operations.preflight.model import Spot
from operations.preflight.partitions import made
from operations.preflight.state import State, place

Node = Any
LONGEST = 100_000
"""Characters of a statement that is looked into: longer ones are rows."""
_ASKING = ("ALTER TABLE", "CREATE INDEX")
_PARTITION = re.compile(r"\bpartition\s+of\b", re.IGNORECASE)


class Step(Struct, frozen=True):
    """A statement with its parse tree; ``node`` is ``None`` where it is not looked into."""

    spot: Spot
    node: Node | None


def steps(scripts: Mapping[str, Script]) -> tuple[Step, ...]:
    """Every statement in the order of its application; none where no statement could fail for its rows.

    ``scripts`` are by their files.
    """
    statements = (statement for script in scripts.values() for statement in script.statements or ())
    return tuple(_steps(scripts)) if any(map(_asks, statements)) else ()


def _asks(statement: Statement) -> bool:
    return statement.kind.startswith(_ASKING) or (
        statement.kind == "CREATE TABLE" and bool(_PARTITION.search(statement.text))
    )


def _steps(scripts: Mapping[str, Script]) -> Iterator[Step]:
    for file, script in scripts.items():
        if script.statements is None:
            yield Step(Spot(file, script.verdict.line or 1, 1, "", ""), None)
        for statement in script.statements or ():
            yield _step(file, statement)


def _step(file: str, statement: Statement) -> Step:
    node = split(statement.text)[0].exact_node() if len(statement.text) <= LONGEST else None
    relation = getattr(node, "relation", None)
    table = relation_name(relation) if type(relation).__name__ == "RangeVar" else ""
    return Step(Spot(file, statement.line, statement.column, statement.kind, table), node)


def probes(found: Sequence[Step], known: Known) -> Found:
    """What to ask, and what cannot be asked though rows could make it fail."""
    state = State(known)
    for step in found:
        if step.node is None:
            state.lose(f"it cannot be told what {place(step.spot)} changes")
        elif type(step.node).__name__ == "AlterTableStmt" and step.node.objtype.name == "OBJECT_TABLE":
            yield from alter(state, step.spot, step.node)
        else:
            if type(step.node).__name__ == "IndexStmt" and step.node.unique:
                yield from _index(state, step.spot, step.node)
            elif type(step.node).__name__ == "CreateStmt" and step.node.partbound:
                (parent,) = step.node.inhRelations
                yield from made(state, step.spot, state.name_of(parent), step.node.partbound)
            follow(state, step.spot, step.node)


def _index(state: State, spot: Spot, node: Node) -> Found:
    name = state.name_of(node.relation)
    if node.if_not_exists and (name[0], node.idxname) in state.known.relations:
        return
    asked = about(state, spot, name, whole=node.relation.inh)
    if not isinstance(asked, About):
        yield from () if asked is None else (asked,)
        return
    try:
        yield from index(asked, node)
    except Unsuitable as why:
        yield asked.untried(str(why))
