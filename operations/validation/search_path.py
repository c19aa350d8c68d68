"""In which schema the tables live that migrations name without one: the same for every front door. Pure."""

from __future__ import annotations

from operations.database_url import parse_database_url
from operations.ports import Target
from operations.secret import Secret


def schema_of(live: Target | None, configured: str | None, trial: Secret) -> str | None:
    """``None``: where a new database has them.

    ``live``: the database that the migrations are for, where it is known; what its URL says decides. Then
    ``configured``, the environment's key ``schema``. Only where there is neither is it that of ``trial``, the URL of a
    server to try them on: what somebody has there need not be so elsewhere. Raises ``ConfigurationError``.
    """
    said = (live and live.schema) or configured
    return said if said or live or not trial else parse_database_url(trial).target.schema
