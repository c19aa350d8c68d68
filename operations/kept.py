"""The databases that restores and rollbacks have put aside: listed, and dropped when they are old."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from msgspec import Struct

from operations.context import Context
from operations.errors import StatementFailed
from operations.journal import records
from operations.layout import kept_name, new_id
from operations.lock import held
from operations.quoting import identifier
from operations.swap import maintenance

KEPT = re.compile(r"_before_((\d{8}T\d{6}Z)-[0-9a-f]{6})$")
IN_USE = "55006"

_DATABASES = """
    SELECT datname, oid::bigint, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END
    FROM pg_catalog.pg_database ORDER BY datname
"""


class KeptDatabase(Struct, frozen=True):
    """A database as it was before run ``run_id``, which began at ``since`` (seconds since the epoch)."""

    name: str
    run_id: str
    since: float
    bytes: int


def kept_databases(context: Context) -> tuple[KeptDatabase, ...]:
    """Those of the live database, newest first. Changes nothing."""
    database = context.database.target.database
    with maintenance(context, "kept databases") as session:
        present = session.rows(_DATABASES)
    recorded = {
        (swap["kept"], swap["live_oid"]) for record in records(context) if (swap := record.last("swap_started"))
    }
    found = []
    for name, oid, size in present:
        match = KEPT.search(name)
        if not match or name != kept_name(database, match[1]):
            continue
        # A long name was cut to make room, and the cut one may be another database's: then the journal must know it.
        if name.startswith(f"{database}_before_") or (name, oid) in recorded:
            found.append(KeptDatabase(name, match[1], _seconds(match[2]), size))
    return tuple(sorted(found, key=lambda kept: kept.since, reverse=True))


def prune_kept(context: Context, older_than: float, dry_run: bool = False) -> tuple[KeptDatabase, ...]:
    """Drop those that were put aside more than ``older_than`` seconds ago; returns which. One in use stays."""
    until = context.clock.now() - older_than
    old = [kept for kept in kept_databases(context) if kept.since <= until]
    if dry_run:
        return tuple(old)
    with held(context, "restore prune", new_id(context.clock.now(), secrets.token_hex(3))):
        return tuple(kept for kept in old if _dropped(context, kept.name))


def _dropped(context: Context, name: str) -> bool:
    try:
        with maintenance(context, "prune kept databases") as session:
            # DROP DATABASE would wait five seconds for them.
            if session.rows("SELECT FROM pg_catalog.pg_stat_activity WHERE datname = %s AND usesysid > 0", (name,)):
                return False
            session.execute(f"DROP DATABASE IF EXISTS {identifier(name)}")
    except StatementFailed as error:
        if error.sqlstate != IN_USE:
            raise
        return False
    return True


def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
