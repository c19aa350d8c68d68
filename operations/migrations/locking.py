"""Which tables a statement locks so strongly that others wait for it, and it for them. Pure.

Lock modes: https://www.postgresql.org/docs/current/explicit-locking.html. Counted are SHARE and stronger, the row locks
of UPDATE, DELETE and MERGE, and what works concurrently, for it waits for older transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from operations.quoting import identifier

Node = Any

_RELATIONS = frozenset({"TABLE", "INDEX", "VIEW", "MATVIEW", "FOREIGN_TABLE"})
_OF_A_TABLE = frozenset({"TRIGGER", "POLICY", "RULE"})


def locked(node: Node) -> tuple[str, ...]:
    """Quoted, dotted names of the relations that a parsed statement locks, each once."""
    find = _FOUND.get(type(node).__name__)
    return tuple(dict.fromkeys(find(node))) if find else ()


def created(node: Node) -> str | None:
    """Quoted, dotted name of the relation that the statement creates: nobody else can hold a lock on that."""
    name = type(node).__name__
    if name == "CreateStmt":
        return relation_name(node.relation)
    if name == "CreateTableAsStmt":
        return relation_name(node.into.rel)
    return relation_name(node.view) if name == "ViewStmt" and not node.replace else None


def relation_name(relation: Node) -> str:
    """A ``RangeVar`` as SQL writes it, always quoted."""
    return identifier(*(part for part in (relation.schemaname, relation.relname) if part))


def _one(relation: Node) -> Iterator[str]:
    if relation is not None:
        yield relation_name(relation)


def _several(relations: Iterable[Node] | None) -> Iterator[str]:
    for relation in relations or ():
        yield relation_name(relation)


def _referenced(constraints: Collection[Node] | None) -> Iterator[str]:
    for constraint in constraints or ():
        yield from _one(constraint.pktable)


def _element(element: Node) -> Iterator[str]:
    """Tables that a column or constraint refers to: a foreign key adds triggers to both sides."""
    name = type(element).__name__
    if name == "ColumnDef":
        yield from _referenced(element.constraints)
    elif name == "Constraint":
        yield from _referenced((element,))
    elif name == "PartitionCmd":
        yield from _one(element.name)
    elif name == "RangeVar":
        yield relation_name(element)


def _alter_table(node: Node) -> Iterator[str]:
    yield relation_name(node.relation)
    for command in node.cmds:
        yield from _element(command.def_)


def _create(node: Node) -> Iterator[str]:
    for element in node.tableElts or ():
        yield from _element(element)
    yield from _several(node.inhRelations)


def _drop(node: Node) -> Iterator[str]:
    kind = node.removeType.name.removeprefix("OBJECT_")
    if kind not in _RELATIONS | _OF_A_TABLE:
        return
    for parts in node.objects:
        names = [part.sval for part in parts]
        yield identifier(*(names[:-1] if kind in _OF_A_TABLE else names))


def _create_trigger(node: Node) -> Iterator[str]:
    yield from _one(node.relation)
    yield from _one(node.constrrel)


def _vacuum(node: Node) -> Iterator[str]:
    if node.is_vacuumcmd:
        yield from _several(item.relation for item in node.rels or () if item.relation)


def _relation(node: Node) -> Iterator[str]:
    return _one(node.relation)


def _relations(node: Node) -> Iterator[str]:
    return _several(node.relations)


def _table(node: Node) -> Iterator[str]:
    return _one(node.table)


_FOUND: dict[str, Callable[[Node], Iterator[str]]] = {
    "AlterObjectSchemaStmt": _relation,
    "AlterPolicyStmt": _table,
    "AlterTableStmt": _alter_table,
    "ClusterStmt": _relation,
    "CreatePolicyStmt": _table,
    "CreateStmt": _create,
    "CreateTrigStmt": _create_trigger,
    "DeleteStmt": _relation,
    "DropStmt": _drop,
    "IndexStmt": _relation,
    "LockStmt": _relations,
    "MergeStmt": _relation,
    "RefreshMatViewStmt": _relation,
    "ReindexStmt": _relation,
    "RenameStmt": _relation,
    "RuleStmt": _relation,
    "TruncateStmt": _relations,
    "UpdateStmt": _relation,
    "VacuumStmt": _vacuum,
}
