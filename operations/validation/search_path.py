"""In which schema the tables live that migrations name without one: the same for every front door. Pure."""

from __future__ import annotations

from operations.database_url import parse_database_url
from operations.errors import ConfigurationError
from operations.ports import Target
from operations.secret import Secret
from operations.settings import Environment


def schema_of(live: Target | None, configured: Environment | None, trial: Secret) -> str | None:
    """``None``: where a new database has them.

    ``live``: the database that the migrations are for, where it is asked; what its URL says decides. Then
    ``configured``: its ``database_url``, where that is known though nobody may ask it, and its key ``schema``. Only
    where there is none of them is it that of ``trial``, the URL of a server to try them on: what somebody has there
    need not be so elsewhere. Raises ``ConfigurationError``.
    """
    known = [target for target in (live, _configured(configured)) if target]
    for said in (*(target.schema for target in known), configured and configured.schema):
        if said:
            return said
    return None if known or not trial else parse_database_url(trial).target.schema


def _configured(environment: Environment | None) -> Target | None:
    """Who connects to it is told what is wrong with a URL; here one that cannot be read is one that is not known."""
    try:
        return parse_database_url(environment.database_url).target if environment and environment.database_url else None
    except ConfigurationError:
        return None
