"""Settings that sessions of ours read by, whatever a role or a database has set, and how a transaction gets its own."""

from __future__ import annotations

from collections.abc import Mapping

from operations.quoting import literal

NAMES = {
    "search_path": "pg_catalog",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
}
"""Names lead to PostgreSQL's own code, and what is told as SQL reads the same."""
TEXTS = {
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
}
"""What the text of a value depends on."""
ROWS = {
    "row_security": "off",
    "jit": "off",
}
"""Rows are not filtered without an error, and no query takes long before it begins."""


def set_local(settings: Mapping[str, str]) -> str:
    """SQL that sets them until the open transaction, or its savepoint, ends. Behind a pooler others come next."""
    return "; ".join(f"SET LOCAL {name} TO {literal(value)}" for name, value in settings.items())


def without_limits(*names: str, local: bool = False) -> str:
    """SQL that lifts those of these time limits that the server knows, of the session or of its transaction."""
    listed = ", ".join(map(literal, names))
    chosen = f"SELECT pg_catalog.set_config(name, '0', {str(local).lower()}) FROM pg_catalog.pg_settings"
    return f"{chosen} WHERE name IN ({listed})"
