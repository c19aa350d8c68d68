"""What reaches beyond the database: the server's files, programs and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from operations.migrations.bodies import procedural_body
from operations.migrations.enums import tree
from operations.rules.model import Found, Rule
from operations.rules.places import COMMENTS, tokens
from operations.rules.source import Source

_FUNCTIONS = (
    r"lo_import|lo_export|pg_read_file|pg_read_binary_file|pg_ls_\w*dir|pg_stat_file|pg_file_\w+|pg_logdir_ls"
    r"|pg_reload_conf|pg_rotate_logfile"
)
_ROLES = r"pg_execute_server_program|pg_read_server_files|pg_write_server_files"
_CALLED = re.compile(_FUNCTIONS, re.IGNORECASE)
_GRANTED = re.compile(_ROLES, re.IGNORECASE)
_IN_BODIES = re.compile(rf"\b(?:{_FUNCTIONS}|{_ROLES}|program|alter\s+system)\b", re.IGNORECASE)
_PERHAPS = (
    *("lo_import", "lo_export", "pg_read_", "pg_ls_", "pg_stat_file", "pg_file_", "pg_logdir_ls", "pg_reload_conf"),
    *("pg_rotate_logfile", "pg_execute_server_program", "pg_write_server_files"),
    *("copy", "system", "load", "language", "extension", "superuser", "do", "u&"),
)
"""One of these is in every text that there is something to find in."""
_EXTENSIONS = {"adminpack", "file_fdw", "plperlu", "plpython3u", "plpythonu", "pltclu", "pg_execute_server_program"}
_UNTRUSTED = {"c", "internal", "plperlu", "plpython3u", "plpythonu", "pltclu"}


def _check(source: Source) -> Iterator[Found]:
    for one in source.top or ():
        text = one.statement.text.lower()
        why = _why(one.node) if any(word in text for word in _PERHAPS) else None
        if why:
            yield Found(f"{why}.", offset=one.statement.start)


def _why(node: Any) -> str | None:
    kind = type(node).__name__
    if kind == "CopyStmt" and node.filename:
        return "COPY … PROGRAM runs a program on the server" if node.is_program else "COPY uses a file of the server"
    if kind == "AlterSystemStmt":
        return "ALTER SYSTEM changes the settings of the whole server"
    if kind == "LoadStmt":
        return "LOAD runs a library of the server"
    if kind == "CreateExtensionStmt" and node.extname in _EXTENSIONS:
        return f"The extension {node.extname} opens the server's files to SQL"
    if kind in ("CreateFunctionStmt", "DoStmt"):
        return _body(node.options if kind == "CreateFunctionStmt" else node.args) or _called(node)
    if kind == "GrantRoleStmt":
        return _granted(node)
    if kind in ("CreateRoleStmt", "AlterRoleStmt"):
        made = any(item.defname == "superuser" and _true(item.arg) for item in node.options or ())
        return "It makes a superuser, who may do everything on the server" if made else None
    return _called(node)


def _body(options: Any) -> str | None:
    body = procedural_body(options)
    if body.language in _UNTRUSTED:
        return f"A function in the language {body.language} may do everything on the server"
    for token in tokens(body.text) if _IN_BODIES.search(body.text) else ():
        word = None if token.name in COMMENTS else _IN_BODIES.search(body.text, token.start, token.end + 1)
        if word:
            return f"The body says {word.group()}, which reaches the server's files or programs"
    return None


def _called(node: Any) -> str | None:
    for item in tree(node):
        name = item.funcname[-1].sval if type(item).__name__ == "FuncCall" else ""
        if _CALLED.fullmatch(name):
            return f"{name}() reaches the server's files or settings"
    return None


def _granted(node: Any) -> str | None:
    names = [item.priv_name for item in node.granted_roles if item.priv_name and _GRANTED.fullmatch(item.priv_name)]
    return f"{names[0]} opens the server's files or programs to SQL" if names and node.is_grant else None


def _true(argument: Any) -> bool:
    return bool(getattr(argument, "boolval", False) or getattr(argument, "ival", 0))


RULE = Rule(
    name="ban-server-access",
    severity="error",
    problem="A migration that reaches the server's files, programs or settings can do anything to the machine.",
    help="Leave it to whoever runs the server; and let migrations be run by a role that is no superuser.",
    check_file=_check,
)
