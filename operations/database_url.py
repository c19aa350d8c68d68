"""Database URLs as Prisma writes them, made into what libpq takes.

Prisma adds parameters of its own (https://www.prisma.io/docs/orm/overview/databases/postgresql); libpq refuses unknown
ones, so they are translated or dropped here.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from operations.errors import ConfigurationError
from operations.ports import Target
from operations.secret import Secret

DEFAULT_PORT = 5432
PRISMA_ONLY = frozenset(
    {"connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "statement_cache_size", "sslaccept",
     "sslidentity", "sslpassword", "single_use_connections"}
)  # fmt: skip
PASSED_ON = frozenset(
    {"sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "channel_binding", "gssencmode", "krbsrvname",
     "target_session_attrs", "connect_timeout", "hostaddr", "passfile", "service", "require_auth"}
)  # fmt: skip


class ConnectionParameters(Struct, frozen=True):
    """A parsed URL: ``target`` may be shown, ``password`` may not, ``options`` are libpq's keywords."""

    target: Target
    password: Secret | None
    options: tuple[tuple[str, str], ...]
    pgbouncer: bool


def parse_database_url(url: Secret) -> ConnectionParameters:
    """Parse ``postgresql://user:password@host:port/database?schema=…``.

    ``?schema=`` becomes ``Target.schema``; ``?host=/directory`` is a Unix socket. Raises ``ConfigurationError``, whose
    text never holds the URL.
    """
    try:
        parts = urlsplit(url.reveal())
        port = parts.port
    except ValueError:
        raise _unreadable("it cannot be read as a URL (is a character of the password not percent-encoded?)") from None
    if parts.scheme not in ("postgres", "postgresql"):
        raise _unreadable("it must begin with postgresql://")
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise _unreadable("it names no database after the host")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(given.keys() - PRISMA_ONLY - PASSED_ON - {"schema", "host", "port", "options", "application_name"})
    if unknown:
        raise _unreadable(f"it has unknown parameters: {', '.join(unknown)}")
    host = given.get("host") or unquote(parts.hostname or "") or "localhost"
    target = Target(
        host=host,
        port=int(given.get("port") or port or DEFAULT_PORT),
        database=database,
        user=unquote(parts.username or "") or "postgres",
        schema=given.get("schema") or None,
    )
    return ConnectionParameters(
        target=target,
        password=Secret(unquote(parts.password)) if parts.password else None,
        options=tuple(sorted((key, value) for key, value in given.items() if key in PASSED_ON)),
        pgbouncer=given.get("pgbouncer", "").lower() == "true",
    )


def refuse_what_cannot_be_forwarded(parameters: ConnectionParameters) -> None:
    """Raise ``ConfigurationError`` for an address to which no port of an SSH connection can lead."""
    host = parameters.target.host
    if host.startswith(("/", "@")):
        raise _unreadable("with a server it must name a host and a port there, not a socket's directory")
    if "," in host:
        raise _unreadable("with a server it must name a single host")


def _unreadable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The database URL is not usable: {why}.",
        hint="Write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE?schema=public",
        prisma_code="P1013",
    )
