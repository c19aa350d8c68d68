"""What statements that reach beyond their database (``reach``) leave there, in words and as what can be looked up.

No backup of the database holds it, and no swap takes it back. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from msgspec import Struct

from operations.migrations.reach import reaches_beyond
from operations.migrations.script import Statement
from operations.migrations.splitting import split

Node = Any
Object = Literal["database", "role", "tablespace"]


class Beyond(Struct, frozen=True):
    """``what`` says it in SQL's words, without anything secret.

    ``name`` of the ``object``, where it makes or drops one: ``makes`` says which. ``for_good``: no ROLLBACK takes it
    back, though it can run in a transaction.
    """

    what: str
    object: Object | None = None
    name: str = ""
    makes: bool = False
    for_good: bool = False


def beyond(statements: Iterable[Statement]) -> Iterator[tuple[Statement, Beyond]]:
    """Those that do something there, each with what.

    But for what is set for a database as such, which a backup holds of its own: privileges, settings, comment, owner.
    """
    for statement in filter(reaches_beyond, statements):
        node = split(statement.text)[0].exact_node()
        find = _BEYOND.get(type(node).__name__)
        found = find(node) if find else _other(statement.kind, node)
        if found:
            yield statement, found


def _made(object: Object, name: str) -> Beyond:
    return Beyond(f"CREATE {object.upper()} {name}", object, name, makes=True)


def _dropped(object: Object, name: str) -> Beyond:
    return Beyond(f"DROP {object.upper()} {name}", object, name)


def _role(spec: Node) -> str:
    return str((spec.rolename if spec else None) or "ALL")


def _drop_role(node: Node) -> Beyond:
    names = [_role(spec) for spec in node.roles]
    return _dropped("role", names[0]) if len(names) == 1 else Beyond(f"DROP ROLE {', '.join(names)}")


def _alter_database(node: Node) -> Beyond | None:
    moves = any(item.defname == "tablespace" for item in node.options or ())
    return Beyond(f"ALTER DATABASE {node.dbname} SET TABLESPACE") if moves else None


def _copy(node: Node) -> Beyond | None:
    return None if node.is_from else Beyond("COPY to a file or a program of the server", for_good=True)


def _other(kind: str, node: Node) -> Beyond | None:
    what = getattr(node, "objtype", None)
    of_database = kind.startswith("ALTER DATABASE") or (what is not None and what.name == "OBJECT_DATABASE")
    return None if of_database else Beyond(kind)


def _grant_role(node: Node) -> Beyond:
    return Beyond(f"{'GRANT' if node.is_grant else 'REVOKE'} {', '.join(p.priv_name for p in node.granted_roles)}")


_BEYOND: dict[str, Callable[[Node], Beyond | None]] = {
    "AlterDatabaseStmt": _alter_database,
    "AlterRoleSetStmt": lambda node: Beyond(f"ALTER ROLE {_role(node.role)} SET"),
    "AlterRoleStmt": lambda node: Beyond(f"ALTER ROLE {_role(node.role)}"),
    "AlterSystemStmt": lambda node: Beyond(f"ALTER SYSTEM ({node.setstmt.name or 'ALL'})"),
    "AlterTableSpaceOptionsStmt": lambda node: Beyond(f"ALTER TABLESPACE {node.tablespacename}"),
    "CopyStmt": _copy,
    "CreateRoleStmt": lambda node: _made("role", node.role),
    "CreateTableSpaceStmt": lambda node: _made("tablespace", node.tablespacename),
    "CreatedbStmt": lambda node: _made("database", node.dbname),
    "DropRoleStmt": _drop_role,
    "DropTableSpaceStmt": lambda node: _dropped("tablespace", node.tablespacename),
    "DropdbStmt": lambda node: _dropped("database", node.dbname),
    "GrantRoleStmt": _grant_role,
}
