"""What each kind of statement changes in the ``State``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from operations.rules.shapes import Constraint, constraint, dotted, index_columns, name_of
from operations.rules.state import State, TableState, Transaction, column_constraints, commands
from operations.rules.types import type_of

Node = Any


def advance(state: State, node: Node, transaction: Transaction) -> None:
    """Let a statement change the state, in the transaction that it is run in."""
    if transaction[0] != state.transaction[0]:
        state.utc = False
    state.transaction = transaction
    change = _CHANGES.get(type(node).__name__)
    if change:
        change(state, node)


def _add_column(state: State, table: TableState, column: Node) -> None:
    table.columns[column.colname] = type_of(column.typeName) if column.typeName else None
    table.added.add(column.colname)
    for kind, item in column_constraints(column).items():
        if kind in ("NOTNULL", "PRIMARY", "IDENTITY"):
            table.not_null.add(column.colname)
        if kind in ("PRIMARY", "UNIQUE"):
            state.add_index(table, _index_name(table, kind, item, (column.colname,)), (column.colname,))
        if kind in ("CHECK", "FOREIGN"):
            shape = constraint(item)
            columns = shape.columns or (column.colname,)
            name = item.conname or f"?{len(table.constraints)}"
            table.constraints[name] = Constraint(kind, columns, True, shape.not_null, shape.references)


def _add_constraint(state: State, table: TableState, node: Node) -> None:
    shape = constraint(node)
    table.constraints[node.conname or f"?{len(table.constraints)}"] = shape
    if not shape.validated and node.conname:
        state.unvalidated[table.name, node.conname] = state.transaction
    if shape.kind in ("NOTNULL", "PRIMARY"):
        table.not_null.update(shape.columns)
    if shape.kind in ("PRIMARY", "UNIQUE") and shape.columns:
        state.add_index(table, _index_name(table, shape.kind, node, shape.columns), shape.columns)


def _index_name(table: TableState, kind: str, constraint: Node, columns: tuple[str, ...]) -> str:
    """As PostgreSQL chooses it, but for what it cuts and counts."""
    name: str | None = constraint.conname
    return name or "_".join([table.name[1], "pkey"] if kind == "PRIMARY" else [table.name[1], *columns, "key"])


def _create(state: State, node: Node) -> None:
    name = name_of(node.relation, state.default)
    if node.if_not_exists and state.schema and name in state.schema.tables:
        return
    table = state.create(name, known=not node.inhRelations)
    for element in node.tableElts or ():
        kind = type(element).__name__
        if kind == "ColumnDef":
            _add_column(state, table, element)
        elif kind == "Constraint":
            _add_constraint(state, table, element)
        else:
            table.known = False


def _create_as(state: State, node: Node) -> None:
    into = node.into if type(node).__name__ == "CreateTableAsStmt" else node.intoClause
    if into:
        state.create(name_of(into.rel, state.default), known=False)


def _create_view(state: State, node: Node) -> None:
    name = name_of(node.view, state.default)
    if not node.replace:
        state.create(name, known=False)


def _create_index(state: State, node: Node) -> None:
    columns = () if node.whereClause else index_columns(node)
    table = state.of(node.relation)
    state.add_index(table, node.idxname or f"?{len(table.indexes)}", columns)


def _drop(state: State, node: Node) -> None:
    kind = node.removeType.name.removeprefix("OBJECT_")
    if kind not in ("TABLE", "VIEW", "MATVIEW", "INDEX"):
        return
    for parts in node.objects:
        schema, name = dotted(parts)
        full = (schema or state.default, name)
        if kind != "INDEX":
            state.create(full, known=True)
        else:
            state.drop_index(full)


def _rename(state: State, node: Node) -> None:
    kind = node.renameType.name.removeprefix("OBJECT_")
    if kind == "TABLE":
        table = state.of(node.relation)
        state.move(table, (table.name[0], node.newname))
    elif kind == "COLUMN":
        _rename_column(state.of(node.relation), node.subname, node.newname)
    elif kind == "INDEX":
        full = name_of(node.relation, state.default)
        dropped = state.drop_index(full)
        if dropped:
            state.add_index(dropped[0], node.newname, dropped[1])
    elif kind == "TABCONSTRAINT":
        constraints = state.of(node.relation).constraints
        if node.subname in constraints:
            constraints[node.newname] = constraints.pop(node.subname)
    elif kind == "TYPE":
        schema, name = dotted(node.object)
        full = (schema or state.default, name)
        if full in state.types:
            state.types.discard(full)
            state.types.add((full[0], node.newname))


def _rename_column(table: TableState, old: str, new: str) -> None:
    if old in table.columns:
        table.columns[new] = table.columns.pop(old)
    for names in (table.added, table.not_null):
        if old in names:
            names.discard(old)
            names.add(new)


def _set_schema(state: State, node: Node) -> None:
    if node.objectType.name == "OBJECT_TABLE":
        table = state.of(node.relation)
        state.move(table, (node.newschema, table.name[1]))


def _alter(state: State, node: Node) -> None:
    table = state.of(node.relation)
    for kind, command in commands(node):
        change = _COMMANDS.get(kind)
        if change:
            change(state, table, command)


def _drop_column(_: State, table: TableState, command: Node) -> None:
    table.columns.pop(command.name, None)
    table.added.discard(command.name)
    table.not_null.discard(command.name)


def _drop_constraint(state: State, table: TableState, command: Node) -> None:
    table.constraints.pop(command.name, None)
    state.drop_index((table.name[0], command.name))


def _alter_type(_: State, table: TableState, command: Node) -> None:
    table.columns[command.name] = type_of(command.def_.typeName)


def _validate(_: State, table: TableState, command: Node) -> None:
    shape = table.constraints.get(command.name)
    if shape:
        table.constraints[command.name] = Constraint(shape.kind, shape.columns, True, shape.not_null, shape.references)


def _emptied(state: State, node: Node) -> None:
    """TRUNCATE, and DELETE of everything."""
    whole = type(node).__name__ == "TruncateStmt"
    for relation in node.relations if whole else () if node.whereClause or node.usingClause else (node.relation,):
        state.of(relation).rows = 0


def _created_type(state: State, node: Node) -> None:
    parts = node.domainname if type(node).__name__ == "CreateDomainStmt" else node.typeName
    schema, name = dotted(parts)
    state.types.add((schema or state.default, name))


def _set(state: State, node: Node) -> None:
    if (node.name or "").lower() == "timezone":
        value = getattr(getattr(node.args[0], "val", None), "sval", "") if node.args else ""
        state.utc = str(value).upper() in ("UTC", "ETC/UTC", "GMT", "Z")


_COMMANDS: dict[str, Callable[[State, TableState, Node], None]] = {
    "AddColumn": lambda state, table, command: _add_column(state, table, command.def_),
    "AddConstraint": lambda state, table, command: _add_constraint(state, table, command.def_),
    "AlterColumnType": _alter_type,
    "DropColumn": _drop_column,
    "DropConstraint": _drop_constraint,
    "DropNotNull": lambda _, table, command: table.not_null.discard(command.name),
    "SetNotNull": lambda _, table, command: table.not_null.add(command.name),
    "ValidateConstraint": _validate,
}
_CHANGES: dict[str, Callable[[State, Node], None]] = {
    "AlterObjectSchemaStmt": _set_schema,
    "AlterTableStmt": _alter,
    "CreateDomainStmt": _created_type,
    "CreateEnumStmt": _created_type,
    "CreateStmt": _create,
    "CreateTableAsStmt": _create_as,
    "DeleteStmt": _emptied,
    "DropStmt": _drop,
    "IndexStmt": _create_index,
    "RenameStmt": _rename,
    "SelectStmt": _create_as,
    "TruncateStmt": _emptied,
    "VariableSetStmt": _set,
    "ViewStmt": _create_view,
}
