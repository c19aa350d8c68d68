"""How the ledger is connected to."""

from __future__ import annotations

from typing import Any

import psycopg

from operations.adapters.ledger_schema import SETTINGS
from operations.adapters.postgres import KEEPALIVE
from operations.adapters.refusals import connect_error
from operations.database_url import ConnectionParameters


def keywords_of(parameters: ConnectionParameters, purpose: str) -> dict[str, Any]:
    """How libpq is told where the ledger is. Straight, or through a pooler that gives each client its own session."""
    target, password = parameters.target, parameters.password
    keywords: dict[str, Any] = {
        "connect_timeout": "10",
        **KEEPALIVE,
        **dict(parameters.options),
        "host": target.host,
        "port": str(target.port),
        "user": target.user,
        "dbname": target.database,
        "client_encoding": "UTF8",
        "application_name": f"locktender {purpose}",
        "autocommit": True,
        "prepare_threshold": None,
    }
    return keywords | ({"password": password.reveal()} if password else {})


def connected(parameters: ConnectionParameters, purpose: str) -> psycopg.Connection[Any]:
    """A connection of its own. Raises ``DatabaseUnreachable``, ``AuthenticationFailed``, ``DatabaseMissing``."""
    target, keywords = parameters.target, keywords_of(parameters, purpose)
    try:
        return psycopg.connect(**keywords)
    except psycopg.Error as error:
        raise connect_error(error, f"{target.host}:{target.port}", keywords) from None


def configure(connection: psycopg.Connection[Any]) -> None:
    """Limits, so that nothing lasts."""
    for setting in SETTINGS:
        connection.execute(setting.encode())
