"""Which statements reach beyond the database they run in: the server's files, what all share, another database. Pure.

Seen is what is written as such; not what a DO block puts together, or a foreign table leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.migrations.kinds import is_beyond
from operations.migrations.script import Script, Statement
from operations.migrations.splitting import split

_PERHAPS = frozenset({"COPY", "GRANT", "COMMENT", "SEC LABEL"})
_SHARED = frozenset({"OBJECT_DATABASE", "OBJECT_ROLE", "OBJECT_TABLESPACE", "OBJECT_PARAMETER_ACL"})


def reaching_beyond(script: Script) -> Iterator[Statement]:
    """Those of a script."""
    return filter(reaches_beyond, script.statements or ())


def reaches_beyond(statement: Statement) -> bool:
    """Whether it is one."""
    return is_beyond(statement.kind) or (statement.kind in _PERHAPS and _shared(statement))


def _shared(statement: Statement) -> bool:
    node: Any = split(statement.text)[0].exact_node()
    if type(node).__name__ == "GrantRoleStmt":
        return True
    if type(node).__name__ == "CopyStmt":
        return bool(node.filename)
    what = getattr(node, "objtype", None)
    return what is not None and what.name in _SHARED
