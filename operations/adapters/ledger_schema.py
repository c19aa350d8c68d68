"""The ledger's tables: made and brought up to date at start, once, however many processes start together.

Our own and the queue's (procrastinate's) lie in one schema, so that a request, its audit entry and its job are one
commit. Who finds them as they must be needs no right to change them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from procrastinate.schema import SchemaManager

SCHEMA = "locktender"
SETTINGS = (
    f"SET search_path TO {SCHEMA}",
    "SET statement_timeout TO '30s'",
    "SET lock_timeout TO '20s'",
    "SET idle_in_transaction_session_timeout TO '60s'",
)
"""Of every connection to the ledger."""
LOCK = 7243617263
_OURS = ("ledger_1", "ledger_held", "ledger_monitor", "ledger_home", "ledger_telling", "ledger_again")
_KNOWN = f"SELECT name FROM {SCHEMA}.versions"
_IS_THERE = f"SELECT to_regclass('{SCHEMA}.versions') IS NOT NULL"
_VERSIONS = f"""
    CREATE SCHEMA IF NOT EXISTS {SCHEMA};
    CREATE TABLE IF NOT EXISTS {SCHEMA}.versions (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
    SET LOCAL search_path TO {SCHEMA};
"""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Bring the tables up to date; ``connection`` is in autocommit mode."""
    if not _missing(_known(connection)):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(_VERSIONS.encode())
        known = _known(connection)
        for name, text in _missing(known):
            if text:
                connection.execute(text.encode())
            connection.execute("INSERT INTO versions (name) VALUES (%s)", (name,))


def _known(connection: psycopg.Connection[Any]) -> frozenset[str]:
    (there,) = connection.execute(_IS_THERE).fetchone() or (False,)
    return frozenset(name for (name,) in connection.execute(_KNOWN).fetchall()) if there else frozenset()


def _missing(known: frozenset[str]) -> list[tuple[str, str]]:
    """What has to be run, in its order; without text: what the queue's newest schema contains already."""
    return [(name, text) for name, text in (*_own(), *_queue(known)) if name not in known]


def _own() -> Iterator[tuple[str, str]]:
    for name in _OURS:
        yield name, (resources.files("operations.adapters") / f"{name}.sql").read_text(encoding="utf-8")


def _queue(known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Its whole schema where there is none yet, otherwise the steps that have come since."""
    fresh = "queue" not in known
    yield "queue", SchemaManager.get_schema()
    for path in sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql")):
        yield f"queue {path.stem}", "" if fresh else path.read_text(encoding="utf-8")
