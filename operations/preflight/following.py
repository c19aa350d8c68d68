"""What each kind of statement changes in the ``State``. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from operations.migrations.enums import tree
from operations.preflight.known import Cascade, Name
from operations.preflight.model import Spot
from operations.preflight.state import State, place
from operations.rules.shapes import dotted

Node = Any
_WRITING = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_HARMLESS_FUNCTIONS = frozenset(
    {"clock_timestamp", "currval", "gen_random_uuid", "nextval", "pg_get_serial_sequence", "random", "setval"}
)
_HARMLESS_SETTINGS = frozenset(
    {
        "check_function_bodies", "client_encoding", "client_min_messages", "default_table_access_method",
        "default_tablespace", "idle_in_transaction_session_timeout", "lock_timeout", "maintenance_work_mem",
        "statement_timeout", "work_mem",
    }
)  # fmt: skip
_HARMLESS = frozenset(
    {
        "AlterDefaultPrivilegesStmt", "AlterFunctionStmt", "AlterOwnerStmt", "AlterPolicyStmt", "AlterSeqStmt",
        "AlterTableStmt",
        "CommentStmt", "ConstraintsSetStmt", "CreateExtensionStmt", "CreatePolicyStmt", "CreatePublicationStmt",
        "CreateSeqStmt", "CreateStatsStmt", "GrantRoleStmt", "GrantStmt", "IndexStmt", "LockStmt", "NotifyStmt",
        "ReindexStmt", "TransactionStmt", "VacuumStmt", "VariableShowStmt", "ViewStmt",
    }
)  # fmt: skip
_CASCADING = frozenset({"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_INDEX", "OBJECT_TRIGGER"})
"""What is dropped with these is no column of another table."""


def follow(state: State, spot: Spot, node: Node) -> None:
    """Let a statement change the state; ALTER TABLE is here that of an index, a view, a sequence."""
    name = type(node).__name__
    change = _CHANGES.get(name)
    if change:
        change(state, spot, node)
    elif name not in _HARMLESS:
        state.lose(f"it cannot be told what {place(spot)} changes")


def _rows(state: State, spot: Spot, node: Node) -> None:
    """SELECT, INSERT, UPDATE, DELETE and MERGE, and what is in them."""
    for item in tree(node):
        kind = type(item).__name__
        if kind in _WRITING:
            deleted, alone = kind in ("DeleteStmt", "MergeStmt"), kind == "UpdateStmt"
            name = state.name_of(item.relation)
            state.write(name, spot, updated=_set_columns(item), deleted=deleted, alone=alone)
        elif kind == "FuncCall":
            *schema, name = [part.sval for part in item.funcname]
            own = name in state.known.calm | _HARMLESS_FUNCTIONS and name not in state.shadowed
            if not own or schema not in ([], ["pg_catalog"]):
                state.lose(f"{place(spot)} calls a function")
        elif kind == "IntoClause":
            _filled(state, spot, item)


def _set_columns(node: Node) -> tuple[str, ...]:
    """Columns that are set: of an UPDATE, of ON CONFLICT, of MERGE."""
    return tuple(item.name for item in tree(node) if type(item).__name__ == "ResTarget" and item.name)


def _filled(state: State, spot: Spot, into: Node) -> None:
    name = state.name_of(into.rel)
    state.begin_empty(name)
    state.written[name] = f"{place(spot)} fills it"


def _create(state: State, _: Spot, node: Node) -> None:
    name = state.name_of(node.relation)
    there = (node.relation.schemaname or state.known.default, node.relation.relname) in state.known.relations
    if node.if_not_exists and name not in state.began_empty and there:
        return
    state.begin_empty(name)
    if node.inhRelations:
        state.entangled |= {name, *(state.name_of(one) for one in node.inhRelations)}
    for element in node.tableElts or ():
        for constraint in (element, *(getattr(element, "constraints", None) or ())):
            add_cascade(state, name, constraint)


def add_cascade(state: State, child: Name, constraint: Node) -> None:
    """Remember a foreign key that changes the child's rows; no columns stand for any of the parent's."""
    if type(constraint).__name__ != "Constraint" or constraint.contype.name != "CONSTR_FOREIGN":
        return
    parent = state.name_of(constraint.pktable)
    table = state.table(parent)
    key = table.key if table and parent not in state.rekeyed else ()
    columns = frozenset(key.sval for key in constraint.pk_attrs or ()) or frozenset(key)
    on_update, on_delete = constraint.fk_upd_action in "cnd", constraint.fk_del_action in "cnd"
    if on_update or on_delete:
        state.cascades.append(Cascade(parent, child, columns, on_update, on_delete))


def _drop(state: State, spot: Spot, node: Node) -> None:
    kind = node.removeType.name
    if node.behavior.name == "DROP_CASCADE" and kind not in _CASCADING:
        state.lose(f"{place(spot)} drops whatever depends on something")
    if kind == "OBJECT_TABLE":
        for parts in node.objects:
            name = state.known.name_of(*dotted(parts))
            table = state.table(name)
            if name in state.entangled or (table and table.entangled):
                state.lose(f"{place(spot)} drops a part of another table")
            state.begin_empty(name)
    elif kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        for part in node.objects:
            state.types[state.type_place(*dotted(part.names))] = None


def _create_enum(state: State, _: Spot, node: Node) -> None:
    state.types[state.type_place(*dotted(node.typeName))] = tuple(value.sval for value in node.vals or ())


def _alter_enum(state: State, _: Spot, node: Node) -> None:
    place_of_type = state.type_place(*dotted(node.typeName))
    values = state.types.get(place_of_type)
    state.types[place_of_type] = (*values, node.newVal) if values is not None and not node.oldVal else None


def _rename(state: State, spot: Spot, node: Node) -> None:
    kind = node.renameType.name.removeprefix("OBJECT_")
    if kind == "TABLE":
        name = state.name_of(node.relation)
        state.replace(name, spot)
        state.replace((name[0], node.newname), spot)
    elif kind == "COLUMN":
        name = state.name_of(node.relation)
        for column in (node.subname, node.newname):
            state.columns[name, column] = f"{place(spot)} renames it"
        lose_columns(state, spot, name)
    elif kind in ("TYPE", "DOMAIN"):
        old = state.type_place(*dotted(node.object))
        state.types[old[0], node.newname] = state.types.pop(old, None)
        state.types[old] = None
    elif kind == "TABCONSTRAINT":
        name = state.name_of(node.relation)
        if (name, node.subname) in state.unvalidated:
            state.unvalidated[name, node.newname] = state.unvalidated.pop((name, node.subname))
    elif kind in ("SCHEMA", "FUNCTION", "ROUTINE", "PROCEDURE"):
        state.lose(f"{place(spot)} changes what names lead to")


def lose_columns(state: State, spot: Spot, name: Name) -> None:
    """Where a table's columns change, and those of others with them."""
    table = state.table(name)
    if name in state.entangled or (table is not None and table.entangled):
        state.lose(f"{place(spot)} changes columns of tables that inherit from others, or are parts of them")


def _set_schema(state: State, spot: Spot, node: Node) -> None:
    if node.objectType.name == "OBJECT_TABLE":
        name = state.name_of(node.relation)
        state.replace(name, spot)
        state.replace((node.newschema, name[1]), spot)
    else:
        state.lose(f"{place(spot)} changes what names lead to")


def _truncate(state: State, spot: Spot, node: Node) -> None:
    if node.behavior.name == "DROP_CASCADE":
        state.lose(f"{place(spot)} empties tables")
    for relation in node.relations:
        state.write(state.name_of(relation), spot, deleted=True)


def _set(state: State, spot: Spot, node: Node) -> None:
    transaction = node.kind.name == "VAR_SET_MULTI" and node.name.startswith("TRANSACTION")
    if not transaction and (node.name or "").lower() not in _HARMLESS_SETTINGS:
        state.lose(f"{place(spot)} changes a setting")


def _create_function(state: State, _: Spot, node: Node) -> None:
    state.shadowed.add(node.funcname[-1].sval)


def _fires(state: State, _: Spot, node: Node) -> None:
    state.fires.add(state.name_of(node.relation))


def _create_schema(state: State, spot: Spot, node: Node) -> None:
    if node.schemaElts:
        state.lose(f"it cannot be told what {place(spot)} changes")


def _create_type(state: State, _: Spot, node: Node) -> None:
    parts = node.domainname if type(node).__name__ == "CreateDomainStmt" else node.typeName
    state.types[state.type_place(*dotted(parts))] = None


def _create_composite(state: State, _: Spot, node: Node) -> None:
    state.types[state.name_of(node.typevar)] = None


_CHANGES: dict[str, Callable[[State, Spot, Node], None]] = {
    "AlterEnumStmt": _alter_enum,
    "AlterObjectSchemaStmt": _set_schema,
    "CompositeTypeStmt": _create_composite,
    "CreateDomainStmt": _create_type,
    "CreateEnumStmt": _create_enum,
    "CreateFunctionStmt": _create_function,
    "CreateRangeStmt": _create_type,
    "CreateSchemaStmt": _create_schema,
    "CreateStmt": _create,
    "CreateTableAsStmt": _rows,
    "CreateTrigStmt": _fires,
    "DeleteStmt": _rows,
    "DropStmt": _drop,
    "InsertStmt": _rows,
    "MergeStmt": _rows,
    "RenameStmt": _rename,
    "RuleStmt": _fires,
    "SelectStmt": _rows,
    "TruncateStmt": _truncate,
    "UpdateStmt": _rows,
    "VariableSetStmt": _set,
}
