"""Errors that are the trial server's fault rather than the script's. Pure."""

from __future__ import annotations

import re

from operations.errors import LocktenderError, StatementFailed

_OF_EXTENSIONS = re.compile(
    r"function (?:\w+\.)?(?:uuid_|gen_salt|gen_random_bytes|crypt|digest|hmac|pgp_|st_|create_hypertable)\w*\("
    r'|type "(?:\w+\.)?(?:vector|halfvec|geometry|geography|citext|hstore|ltree)(?:\(.*\))?" does not exist'
    r'|operator class "(?:\w+\.)?(?:gin_trgm_ops|gist_trgm_ops|vector_\w+)" does not exist'
    r'|schema "(?:cron|partman|auth|storage|graphql)" does not exist'
)
"""What people often install by hand, outside of their migrations."""
DENIED = "42501"
_EXTENSION = ("0A000", "58P01", "F0000", "22023", "3F000")
_OF_THE_SERVER = ("58", "XX")
"""Classes of errors about its own files."""
UNDEFINED = frozenset({"42704", "42883", "42P01", "42703", "3F000", "42P02", "55000", "42501"})
"""What follows where something was left out before: an unknown type, function, table, column, schema."""


def excuse(error: StatementFailed, kind: str) -> str | None:
    """Why a statement may fail on a server of ours although it would not elsewhere; ``None`` if it would."""
    if error.sqlstate in ("42883", "42704", "3F000") and _OF_EXTENSIONS.search(error.message):
        return "that belongs to an extension which the throwaway server does not have, or nobody has created there"
    if "EXTENSION" in kind and error.sqlstate in (*_EXTENSION, DENIED, "42704"):
        return "that extension cannot be had on the throwaway server"
    if error.sqlstate == "42704" and error.message.startswith("role "):
        return "that role does not exist on the throwaway server"
    if error.sqlstate == DENIED:
        return "on the throwaway server scripts run without such rights"
    return None


def may_follow(error: StatementFailed) -> bool:
    """Whether an error can come from what was left out before."""
    return error.sqlstate in UNDEFINED


def perhaps_damage(error: LocktenderError) -> bool:
    """Whether it can come from damaged files of the trial server: it told of them, or it is gone."""
    return not isinstance(error, StatementFailed) or error.sqlstate.startswith(_OF_THE_SERVER)
