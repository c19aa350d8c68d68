"""``Freezes`` of the ledger, for a mere look: it makes and updates no tables, so it needs no right but to read one."""

from __future__ import annotations

import psycopg
from msgspec import Struct

from operations.adapters import ledger_rows as rows
from operations.adapters import ledger_sql as sql
from operations.adapters.ledger_connection import configure, connected
from operations.adapters.ledger_errors import translated
from operations.approvals.model import Freeze
from operations.database_url import ConnectionParameters


class LedgerFreezes(Struct, frozen=True):
    """With a connection for each question: they are rare, and the ledger may have been away meanwhile."""

    parameters: ConnectionParameters

    @translated
    def frozen(self, environment: str) -> Freeze | None:
        """The one that stands; none where the ledger has no tables yet. Raises as connecting does, too."""
        with connected(self.parameters, "freeze") as connection:
            configure(connection)
            try:
                found = connection.execute(sql.FROZEN.encode(), (environment,)).fetchone()
            except psycopg.errors.UndefinedTable:
                return None
        return rows.freeze_of(found) if found else None
