"""What a parsed statement is called, and whether PostgreSQL runs it inside a transaction block. Pure.

Nodes are pglast's (https://pglast.readthedocs.io), looked at by the names of their types and attributes alone, so that
importing this costs nothing. The refusals are those of ``PreventInTransactionBlock`` in PostgreSQL 15 to 18.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from operations.migrations.bodies import may_end_transaction, procedural_body

Node = Any

_BEYOND = re.compile(
    r"(?:CREATE|ALTER|DROP) (?:ROLE|DATABASE|TABLESPACE|SUBSCRIPTION|SYSTEM)\b|(?:REASSIGN|DROP) OWNED\b"
)

_TRANSACTION = {
    "BEGIN": "BEGIN",
    "START": "START TRANSACTION",
    "COMMIT": "COMMIT",
    "ROLLBACK": "ROLLBACK",
    "SAVEPOINT": "SAVEPOINT",
    "RELEASE": "RELEASE SAVEPOINT",
    "ROLLBACK_TO": "ROLLBACK TO SAVEPOINT",
    "PREPARE": "PREPARE TRANSACTION",
    "COMMIT_PREPARED": "COMMIT PREPARED",
    "ROLLBACK_PREPARED": "ROLLBACK PREPARED",
}
_NAMED = {
    "AlterEventTrigStmt": "ALTER EVENT TRIGGER",
    "AlterFdwStmt": "ALTER FOREIGN DATA WRAPPER",
    "AlterObjectDependsStmt": "ALTER DEPENDS ON EXTENSION",
    "AlterSeqStmt": "ALTER SEQUENCE",
    "AlterTSConfigurationStmt": "ALTER TEXT SEARCH CONFIGURATION",
    "AlterTSDictionaryStmt": "ALTER TEXT SEARCH DICTIONARY",
    "AlterTableMoveAllStmt": "ALTER TABLE ALL IN TABLESPACE",
    "CheckPointStmt": "CHECKPOINT",
    "ClosePortalStmt": "CLOSE",
    "CompositeTypeStmt": "CREATE TYPE",
    "ConstraintsSetStmt": "SET CONSTRAINTS",
    "CreateEnumStmt": "CREATE TYPE",
    "CreateEventTrigStmt": "CREATE EVENT TRIGGER",
    "CreateFdwStmt": "CREATE FOREIGN DATA WRAPPER",
    "CreateOpClassStmt": "CREATE OPERATOR CLASS",
    "CreateOpFamilyStmt": "CREATE OPERATOR FAMILY",
    "CreatePLangStmt": "CREATE LANGUAGE",
    "CreateRangeStmt": "CREATE TYPE",
    "CreateSeqStmt": "CREATE SEQUENCE",
    "CreateStatsStmt": "CREATE STATISTICS",
    "CreateStmt": "CREATE TABLE",
    "CreateTableSpaceStmt": "CREATE TABLESPACE",
    "CreateTrigStmt": "CREATE TRIGGER",
    "CreatedbStmt": "CREATE DATABASE",
    "DropTableSpaceStmt": "DROP TABLESPACE",
    "DropdbStmt": "DROP DATABASE",
    "GrantRoleStmt": "GRANT",
    "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW",
    "RuleStmt": "CREATE RULE",
    "VariableShowStmt": "SHOW",
    "ViewStmt": "CREATE VIEW",
}
_NEVER = frozenset(
    {"CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt"}
    | {"DropSubscriptionStmt"}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")
_OBJECTS = {
    "DOMCONSTRAINT": "CONSTRAINT",
    "MATVIEW": "MATERIALIZED VIEW",
    "OPCLASS": "OPERATOR CLASS",
    "OPFAMILY": "OPERATOR FAMILY",
    "TABCONSTRAINT": "CONSTRAINT",
    "TSCONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "TSDICTIONARY": "TEXT SEARCH DICTIONARY",
    "TSPARSER": "TEXT SEARCH PARSER",
    "TSTEMPLATE": "TEXT SEARCH TEMPLATE",
}
_OFF = frozenset({"false", "off", "0", "none"})
_REFRESHING = frozenset({"SET_PUBLICATION", "ADD_PUBLICATION", "DROP_PUBLICATION"})


def kind(node: Node) -> str:
    """How the statement begins, without names: ``CREATE INDEX CONCURRENTLY``, ``ALTER TYPE ADD VALUE``."""
    name = type(node).__name__
    if name in _SPECIAL:
        return _SPECIAL[name](node)
    return _NAMED.get(name) or " ".join(word.upper() for word in _WORDS.findall(name.removesuffix("Stmt")))


def transactional(node: Node, harmless_procedures: Collection[tuple[str, ...]] = ()) -> bool:
    """Whether it can run inside a transaction block, as far as the statement itself tells.

    A CALL cannot be known to, unless the procedure is one of ``harmless_procedures`` (``procedure_name``).
    """
    name = type(node).__name__
    if name in _NEVER:
        return False
    if name == "CallStmt":
        return _names(node.funccall.funcname) in harmless_procedures
    return name not in _REFUSED or not _REFUSED[name](node)


def procedure_name(node: Node) -> tuple[str, ...] | None:
    """The name of the procedure that the statement creates; ``None`` for any other statement."""
    if type(node).__name__ != "CreateFunctionStmt" or not node.is_procedure:
        return None
    return _names(node.funcname)


def is_harmless(procedure: Node) -> bool:
    """Whether the procedure being created holds neither COMMIT nor ROLLBACK nor CALL."""
    return not may_end_transaction(procedural_body(procedure.options))


def transaction_command(node: Node) -> str | None:
    """BEGIN, COMMIT and so on as ``kind`` calls them; ``None`` for any other statement."""
    if type(node).__name__ != "TransactionStmt":
        return None
    return _TRANSACTION[_enum(node.kind, "TRANS_STMT_")]


def option(options: Collection[Node] | None, name: str, default: bool) -> bool:
    """A boolean option as ``defGetBoolean`` reads it; its last mention counts."""
    value = default
    for item in options or ():
        if item.defname == name:
            value = str(_value(item.arg)).lower() not in _OFF
    return value


def _value(arg: Node) -> object:
    for attribute in ("sval", "ival", "boolval", "names"):
        found = getattr(arg, attribute, None)
        if found is not None:
            return found[-1].sval if attribute == "names" else found
    return True


def _enum(value: Node, prefix: str) -> str:
    return str(value.name).removeprefix(prefix)


def _object(value: Node) -> str:
    name = _enum(value, "OBJECT_")
    return _OBJECTS.get(name, name.replace("_", " "))


def _names(parts: Collection[Node]) -> tuple[str, ...]:
    return tuple(part.sval for part in parts)


def _concurrently(text: str, yes: bool) -> str:
    return f"{text} CONCURRENTLY" if yes else text


def _detaches_concurrently(node: Node) -> bool:
    return any(_enum(c.subtype, "AT_") == "DetachPartition" and c.def_.concurrent for c in node.cmds)


def _alter_table(node: Node) -> str:
    detach = " DETACH PARTITION CONCURRENTLY" if _detaches_concurrently(node) else ""
    return f"ALTER {_object(node.objtype)}{detach}"


def _alter_enum(node: Node) -> str:
    return "ALTER TYPE RENAME VALUE" if node.oldVal else "ALTER TYPE ADD VALUE"


def _set(node: Node) -> str:
    form = _enum(node.kind, "VAR_")
    if form == "SET_MULTI":
        return "SET TRANSACTION" if node.name.startswith("TRANSACTION") else "SET SESSION CHARACTERISTICS"
    return "RESET" if form.startswith("RESET") else "SET"


def _rename(node: Node) -> str:
    attribute = _enum(node.renameType, "OBJECT_") in ("COLUMN", "ATTRIBUTE")
    what = _object(node.relationType if attribute else node.renameType)
    return f"ALTER {'TABLE' if what == 'CONSTRAINT' else what} RENAME"


def _create_table_as(node: Node) -> str:
    table = _object(node.objtype)
    return f"CREATE {table} AS" if table == "TABLE" else f"CREATE {table}"


_SPECIAL: dict[str, Callable[[Node], str]] = {
    "AlterEnumStmt": _alter_enum,
    "AlterObjectSchemaStmt": lambda node: f"ALTER {_object(node.objectType)} SET SCHEMA",
    "AlterOwnerStmt": lambda node: f"ALTER {_object(node.objectType)} OWNER TO",
    "AlterTableStmt": _alter_table,
    "CreateFunctionStmt": lambda node: "CREATE PROCEDURE" if node.is_procedure else "CREATE FUNCTION",
    "CreateTableAsStmt": _create_table_as,
    "DefineStmt": lambda node: f"CREATE {_object(node.kind)}",
    "DiscardStmt": lambda node: f"DISCARD {_enum(node.target, 'DISCARD_')}",
    "DropStmt": lambda node: _concurrently(f"DROP {_object(node.removeType)}", node.concurrent),
    "GrantStmt": lambda node: "GRANT" if node.is_grant else "REVOKE",
    "IndexStmt": lambda node: _concurrently("CREATE INDEX", node.concurrent),
    "ReindexStmt": lambda node: _concurrently("REINDEX", option(node.params, "concurrently", default=False)),
    "RenameStmt": _rename,
    "TransactionStmt": lambda node: transaction_command(node) or "",
    "VacuumStmt": lambda node: "VACUUM" if node.is_vacuumcmd else "ANALYZE",
    "VariableSetStmt": _set,
}


def _do_refused(node: Node) -> bool:
    return may_end_transaction(procedural_body(node.args))


def _reindex_refused(node: Node) -> bool:
    several = _enum(node.kind, "REINDEX_OBJECT_") in ("SCHEMA", "SYSTEM", "DATABASE")
    return several or option(node.params, "concurrently", default=False)


def _create_subscription_refused(node: Node) -> bool:
    connects = option(node.options, "connect", default=True)
    return option(node.options, "create_slot", default=connects)


def _alter_subscription_refused(node: Node) -> bool:
    form = _enum(node.kind, "ALTER_SUBSCRIPTION_")
    if form in _REFRESHING:
        return option(node.options, "refresh", default=True)
    if form == "OPTIONS":  # both of these change the slot of the publisher, too
        changes_failover = any(item.defname == "failover" for item in node.options or ())
        return changes_failover or not option(node.options, "two_phase", default=True)
    return form.startswith("REFRESH")


_REFUSED: dict[str, Callable[[Node], bool]] = {
    "AlterDatabaseStmt": lambda node: any(item.defname == "tablespace" for item in node.options or ()),
    "AlterSubscriptionStmt": _alter_subscription_refused,
    "AlterTableStmt": _detaches_concurrently,
    "ClusterStmt": lambda node: node.relation is None,
    "CreateSubscriptionStmt": _create_subscription_refused,
    "DiscardStmt": lambda node: _enum(node.target, "DISCARD_") == "ALL",
    "DoStmt": _do_refused,
    "DropStmt": lambda node: node.concurrent,
    "IndexStmt": lambda node: node.concurrent,
    "ReindexStmt": _reindex_refused,
    "TransactionStmt": lambda node: _enum(node.kind, "TRANS_STMT_") in ("COMMIT_PREPARED", "ROLLBACK_PREPARED"),
    "VacuumStmt": lambda node: node.is_vacuumcmd,
}


@cache
def is_beyond(kind: str) -> bool:
    """Whether all of that kind reach beyond the database that they run in."""
    return bool(_BEYOND.match(kind))
