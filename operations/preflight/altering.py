"""ALTER TABLE: what it asks of the rows, and what it changes for the statements after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from operations.preflight.asking_for import About, Found, about
from operations.preflight.casts import cast
from operations.preflight.constraints import constraint, filled, not_null, same_everywhere
from operations.preflight.expressions import Unsuitable
from operations.preflight.following import add_cascade, lose_columns
from operations.preflight.known import Name, constraint_of
from operations.preflight.model import Spot
from operations.preflight.partitions import attached
from operations.preflight.state import EMPTY, State, place
from operations.rules.shapes import dotted
from operations.rules.state import column_constraints
from operations.rules.types import SERIALS

Node = Any
_REWRITES = frozenset({"AT_SetExpression", "AT_DropExpression"})
_TANGLES = frozenset(
    {"AT_AttachPartition", "AT_DetachPartition", "AT_DetachPartitionFinalize", "AT_AddInherit", "AT_DropInherit"}
)


def alter(state: State, spot: Spot, node: Node) -> Found:
    """Columns first, then what is demanded of them: in that order PostgreSQL does it, too."""
    name = state.name_of(node.relation)
    asked = about(state, spot, name, whole=node.relation.inh)
    here = asked if isinstance(asked, About) else None
    doubted = False
    if any(_makes_key(command.def_) for command in node.cmds):
        state.rekeyed.add(name)
    for command in sorted(node.cmds, key=lambda command: command.subtype.name not in _COLUMNS):
        kind = command.subtype.name
        if kind == "AT_AttachPartition":
            yield from attached(state, spot, name, command)
        elif here:
            try:
                yield from _asked(here, kind, command)
            except Unsuitable as why:
                yield here.untried(str(why))
        elif asked is not None and not isinstance(asked, About) and not doubted and kind in _DEMANDING:
            doubted = True
            yield asked
        _follow(state, spot, name, kind, command)
    if any(command.subtype.name in _INHERITED or _makes_key(command.def_) for command in node.cmds):
        lose_columns(state, spot, name)


def _makes_key(node: Node) -> bool:
    """Whether it is a primary key, or a column that is one."""
    return any(
        type(one).__name__ == "Constraint" and one.contype.name == "CONSTR_PRIMARY"
        for one in (node, *(getattr(node, "constraints", None) or ()))
    )


def _asked(here: About, kind: str, command: Node) -> Found:
    if kind == "AT_AddColumn":
        yield from _new_column(here, command)
    elif kind == "AT_AlterColumnType":
        yield from cast(here, command)
    elif kind == "AT_SetNotNull":
        yield from not_null(here, command.name)
    elif kind == "AT_AddConstraint" and _validates(command.def_):
        yield from constraint(here, command.def_)
    elif kind == "AT_ValidateConstraint":
        node = here.state.unvalidated.get((here.name, command.name)) or _standing(here, command.name)
        if node is not None:
            yield from constraint(here, node)


def _validates(node: Node) -> bool:
    may_be_lax = node.contype.name in ("CONSTR_CHECK", "CONSTR_FOREIGN")
    return not node.skip_validation and not (may_be_lax and not node.is_enforced)


def _standing(here: About, name: str) -> Node | None:
    """A constraint that was there before, and has not been validated."""
    definition = here.table.unvalidated.get(name)
    if definition is None:
        return None
    node = constraint_of(definition)
    if node is None:
        raise Unsuitable("its definition cannot be read")
    return node


def _new_column(here: About, command: Node) -> Found:
    column = command.def_
    if command.missing_ok and column.colname in here.table.columns:
        return
    kinds, alone = column_constraints(column), {"UNIQUE", "PRIMARY"}
    default = _default(kinds)
    if _fills_itself(column, kinds):
        return
    if default is None:
        if kinds.keys() & {"NOTNULL", "PRIMARY"} and _plain(here.state, column.typeName):
            yield from filled(replace(here, whole=here.whole and "NOTNULL" in kinds), column.colname)
        if "CHECK" in kinds:
            raise Unsuitable("its CHECK is of a new column")
    elif type(default).__name__ == "A_Const":
        if kinds.keys() & alone:
            yield from same_everywhere(here, column.colname)
        if kinds.keys() & {"CHECK", "FOREIGN"}:
            raise Unsuitable("its constraint is of a new column")


def _default(kinds: dict[str, Node]) -> Node | None:
    """What fills the rows; ``None`` also for DEFAULT NULL."""
    default = kinds["DEFAULT"].raw_expr if "DEFAULT" in kinds else None
    return None if getattr(default, "isnull", False) else default


def _fills_itself(column: Node, kinds: dict[str, Node]) -> bool:
    return bool({"IDENTITY", "GENERATED"} & kinds.keys()) or column.typeName.names[-1].sval in SERIALS


def _plain(state: State, target: Node) -> bool:
    """Whether it is no domain, which can have a default of its own."""
    schema, name = dotted(target.names)
    if schema == "pg_catalog":
        return True
    made = state.type_place(schema, name)
    return name not in state.known.domains and (made not in state.types or state.types[made] is not None)


def _follow(state: State, spot: Spot, name: Name, kind: str, command: Node) -> None:
    if kind == "AT_AddColumn":
        _follow_new_column(state, spot, name, command)
    elif kind in ("AT_DropColumn", "AT_AlterColumnType") or kind in _REWRITES:
        state.columns[name, command.name] = f"{place(spot)} changes it"
    elif kind == "AT_AddConstraint":
        add_cascade(state, name, command.def_)
        if command.def_.skip_validation and command.def_.conname:
            state.unvalidated[name, command.def_.conname] = command.def_
    elif kind in _TANGLES:
        for one in _tangled(state, name, command):
            state.entangled.add(one)
            state.replace(one, spot)


def _tangled(state: State, name: Name, command: Node) -> Iterator[Name]:
    yield name
    other = getattr(command.def_, "name", None) or command.def_
    if type(other).__name__ == "RangeVar":
        yield state.name_of(other)


def _follow_new_column(state: State, spot: Spot, name: Name, command: Node) -> None:
    column = command.def_
    table = state.table(name)
    if command.missing_ok and table and column.colname in table.columns:
        return
    kinds = column_constraints(column)
    own = _default(kinds) is not None or _fills_itself(column, kinds) or not _plain(state, column.typeName)
    state.columns[name, column.colname] = f"{place(spot)} adds and fills it" if own else EMPTY
    for item in column.constraints or ():
        add_cascade(state, name, item)


_COLUMNS = frozenset({"AT_AddColumn", "AT_DropColumn", "AT_AlterColumnType"})
_INHERITED = _COLUMNS | _REWRITES
"""What tables that inherit from it, or are parts of it, go through with it."""
_DEMANDING = frozenset(
    {"AT_AddColumn", "AT_AlterColumnType", "AT_SetNotNull", "AT_AddConstraint", "AT_ValidateConstraint"}
)
