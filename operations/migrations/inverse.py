"""The statement that undoes another one, where its parse tree alone tells it. Pure.

Only what adds or renames has an inverse, and only where it cannot have found its object there already: IF NOT EXISTS
and OR REPLACE have none. Whoever runs an inverse compares schema and rows afterwards; this only proposes it. All of
them can run in a transaction, so also an index built concurrently is dropped in the plain way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from operations.migrations.locking import relation_name
from operations.migrations.splitting import Unparsable, split
from operations.quoting import identifier, literal

Node = Any

NOTHING = ""
"""The inverse of what leaves nothing behind."""


def inverse(statement: str) -> str | None:
    """SQL that undoes one statement, without a semicolon; ``NOTHING`` if it leaves nothing, ``None`` if unknown."""
    try:
        (piece,) = split(statement)
    except (Unparsable, ValueError):
        return None
    node = piece.exact_node()
    find = _INVERSES.get(type(node).__name__)
    return find(node) if find else None


def _dotted(parts: Collection[Node]) -> str:
    return identifier(*(part.sval for part in parts))


def _create_index(node: Node) -> str | None:
    if node.idxname is None or node.if_not_exists:
        return None
    schema = (node.relation.schemaname,) if node.relation.schemaname else ()
    return f"DROP INDEX {identifier(*schema, node.idxname)}"


def _drop_relation(what: str, relation: Node, exists: bool) -> str | None:
    return None if exists else f"DROP {what} {relation_name(relation)}"


def _create_table_as(node: Node) -> str | None:
    what = "MATERIALIZED VIEW" if node.objtype.name == "OBJECT_MATVIEW" else "TABLE"
    return _drop_relation(what, node.into.rel, node.if_not_exists)


def _alter_table(node: Node) -> str | None:
    if node.missing_ok or node.objtype.name != "OBJECT_TABLE":
        return None
    undone = [_alter_command(command) for command in reversed(node.cmds)]
    if any(command is None for command in undone):
        return None
    return f"ALTER TABLE {relation_name(node.relation)} " + ", ".join(command for command in undone if command)


def _alter_command(command: Node) -> str | None:
    kind = command.subtype.name
    if kind == "AT_AddColumn" and not command.missing_ok:
        return f"DROP COLUMN {identifier(command.def_.colname)}"
    if kind == "AT_AddConstraint" and command.def_.conname and not command.def_.indexname:
        return f"DROP CONSTRAINT {identifier(command.def_.conname)}"
    return None


def _rename(node: Node) -> str | None:
    """The same with both names exchanged; schemas and what is named otherwise than by tables are left out."""
    kind = node.renameType.name.removeprefix("OBJECT_")
    if node.missing_ok:
        return None
    if kind == "TYPE":
        *schema, old = [part.sval for part in node.object]
        return f"ALTER TYPE {identifier(*schema, node.newname)} RENAME TO {identifier(old)}"
    if kind not in _RENAMED:
        return None
    relation = node.relation
    schema = [relation.schemaname] if relation.schemaname else []
    if kind in ("COLUMN", "TABCONSTRAINT", "TRIGGER", "POLICY"):
        return _rename_part(kind, node, identifier(*schema, relation.relname))
    what = _RENAMED[kind]
    return f"ALTER {what} {identifier(*schema, node.newname)} RENAME TO {identifier(relation.relname)}"


_RENAMED = {
    "TABLE": "TABLE",
    "INDEX": "INDEX",
    "VIEW": "VIEW",
    "MATVIEW": "MATERIALIZED VIEW",
    "SEQUENCE": "SEQUENCE",
    "COLUMN": "COLUMN",
    "TABCONSTRAINT": "CONSTRAINT",
    "TRIGGER": "TRIGGER",
    "POLICY": "POLICY",
}


def _rename_part(kind: str, node: Node, table: str) -> str | None:
    new, old = identifier(node.newname), identifier(node.subname)
    if kind in ("TRIGGER", "POLICY"):
        return f"ALTER {kind} {new} ON {table} RENAME TO {old}"
    if kind == "COLUMN" and node.relationType.name != "OBJECT_TABLE":
        return None
    return f"ALTER TABLE {table} RENAME {_RENAMED[kind]} {new} TO {old}"


def _alter_enum(node: Node) -> str | None:
    if not node.oldVal:
        return None
    return f"ALTER TYPE {_dotted(node.typeName)} RENAME VALUE {literal(node.newVal)} TO {literal(node.oldVal)}"


def _create_function(node: Node) -> str | None:
    if node.replace:
        return None
    from pglast.stream import RawStream

    what = "PROCEDURE" if node.is_procedure else "FUNCTION"
    called_with = [
        p
        for p in node.parameters or ()
        if p.mode.name not in ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE") or node.is_procedure
    ]
    modes = {"FUNC_PARAM_OUT": "OUT ", "FUNC_PARAM_INOUT": "INOUT ", "FUNC_PARAM_VARIADIC": "VARIADIC "}
    types = [modes.get(p.mode.name, "") + str(RawStream()(p.argType)) for p in called_with]
    return f"DROP {what} {_dotted(node.funcname)}({', '.join(types)})"


def _define(node: Node) -> str | None:
    known = {"OBJECT_TYPE": "TYPE", "OBJECT_COLLATION": "COLLATION"}
    what = known.get(node.kind.name)
    return f"DROP {what} {_dotted(node.defnames)}" if what and not (node.if_not_exists or node.replace) else None


def _create_schema(node: Node) -> str | None:
    if node.if_not_exists or not node.schemaname or node.schemaElts:
        return None
    return f"DROP SCHEMA {identifier(node.schemaname)}"


def _drop_on_table(what: str, name: str, table: Node, replace: bool = False) -> str | None:
    return None if replace else f"DROP {what} {identifier(name)} ON {relation_name(table)}"


def _statistics(node: Node) -> str | None:
    return f"DROP STATISTICS {_dotted(node.defnames)}" if node.defnames and not node.if_not_exists else None


def _select(node: Node) -> str | None:
    """A SELECT may call whatever function; only SELECT INTO is understood."""
    return f"DROP TABLE {relation_name(node.intoClause.rel)}" if node.intoClause else None


def _nothing(_: Node) -> str:
    return NOTHING


_INVERSES: dict[str, Callable[[Node], str | None]] = {
    "AlterEnumStmt": _alter_enum,
    "AlterTableStmt": _alter_table,
    "CheckPointStmt": _nothing,
    "CompositeTypeStmt": lambda node: f"DROP TYPE {relation_name(node.typevar)}",
    "CreateDomainStmt": lambda node: f"DROP DOMAIN {_dotted(node.domainname)}",
    "CreateEnumStmt": lambda node: f"DROP TYPE {_dotted(node.typeName)}",
    "CreateExtensionStmt": lambda node: None if node.if_not_exists else f"DROP EXTENSION {identifier(node.extname)}",
    "CreateForeignTableStmt": lambda node: _drop_relation("FOREIGN TABLE", node.base.relation, node.base.if_not_exists),
    "CreateFunctionStmt": _create_function,
    "CreatePolicyStmt": lambda node: _drop_on_table("POLICY", node.policy_name, node.table),
    "CreateRangeStmt": lambda node: f"DROP TYPE {_dotted(node.typeName)}",
    "CreateSchemaStmt": _create_schema,
    "CreateSeqStmt": lambda node: _drop_relation("SEQUENCE", node.sequence, node.if_not_exists),
    "CreateStatsStmt": _statistics,
    "CreateStmt": lambda node: _drop_relation("TABLE", node.relation, node.if_not_exists),
    "CreateTableAsStmt": _create_table_as,
    "CreateTrigStmt": lambda node: _drop_on_table("TRIGGER", node.trigname, node.relation, node.replace),
    "DefineStmt": _define,
    "IndexStmt": _create_index,
    "ReindexStmt": _nothing,
    "RenameStmt": _rename,
    "RuleStmt": lambda node: _drop_on_table("RULE", node.rulename, node.relation, node.replace),
    "SelectStmt": _select,
    "VacuumStmt": _nothing,
    "VariableSetStmt": _nothing,
    "VariableShowStmt": _nothing,
    "ViewStmt": lambda node: _drop_relation("VIEW", node.view, node.replace),
}
