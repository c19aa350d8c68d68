"""Errors that are the trial server's fault rather than the script's. Pure."""

from __future__ import annotations

from operations.errors import StatementFailed

DENIED = "42501"
_EXTENSION = ("0A000", "58P01", "F0000", "22023", "3F000")
UNDEFINED = frozenset({"42704", "42883", "42P01", "42703", "3F000", "42P02", "55000", "42501"})
"""What follows where something was left out before: an unknown type, function, table, column, schema."""


def excuse(error: StatementFailed, kind: str) -> str | None:
    """Why a statement may fail on a server of ours although it would not elsewhere; ``None`` if it would."""
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
