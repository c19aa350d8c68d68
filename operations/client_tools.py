"""PostgreSQL's client tools on the host: found, of the right version, and what they can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from operations.commands import postgres_client as client
from operations.context import Context
from operations.errors import ClientToolsMissing, CommandFailed

TIMEOUT = 20.0
FIRST_WITH_ZSTD = 16
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+)|\w*)")


@dataclass(frozen=True)
class ClientTools:
    """Where ``pg_dump`` and ``pg_restore`` are. ``version`` as PostgreSQL counts: 150018 is 15.18."""

    pg_dump: str
    pg_restore: str
    version: int
    zstd: bool

    @property
    def compression(self) -> str:
        """What their ``--compress`` is given: the quickest that they have."""
        return "zstd:1" if self.zstd else "1"


def find(context: Context, server_version: int) -> ClientTools:
    """The tools of the server's own major version: others write or read archives that do not fit.

    Looked for in ``client_bin`` where it is set, and only there; else where Debian, Red Hat and Homebrew install them,
    on PATH, and in the context's directories. Raises ``ClientToolsMissing`` with what to install.
    """
    major = server_version // 10000
    seen: list[str] = []
    for directory in _directories(context, major):
        pg_dump, pg_restore = f"{directory}pg_dump", f"{directory}pg_restore"
        version = _version(context, pg_dump)
        if version is None:
            continue
        if version // 10000 == major and _version(context, pg_restore) == version:
            return ClientTools(pg_dump, pg_restore, version, zstd=_has_zstd(context, pg_dump, major))
        seen.append(f"{pg_dump} is version {shown(version)}")
    found = f" Found: {'; '.join(seen)}." if seen else ""
    raise ClientToolsMissing(
        f"No pg_dump and pg_restore of version {major} were found, and the server is PostgreSQL {major}.{found}",
        hint=f"apt install postgresql-client-{major} (from https://apt.postgresql.org where the distribution has"
        " another version), or name their directory as client_bin.",
    )


def shown(version: int) -> str:
    """``15.18`` of 150018."""
    return f"{version // 10000}.{version % 10000}"


def _directories(context: Context, major: int) -> Iterator[str]:
    """With a slash at the end; the empty one leaves it to PATH."""
    if context.environment.client_bin:
        yield f"{context.environment.client_bin}/"
        return
    yield f"/usr/lib/postgresql/{major}/bin/"
    yield ""
    yield f"/usr/pgsql-{major}/bin/"
    yield f"/opt/homebrew/opt/postgresql@{major}/bin/"
    for directory in context.client_directories:
        yield f"{directory}/"


def _version(context: Context, program: str) -> int | None:
    """``None`` if there is no such program, or it does not say."""
    try:
        told = context.host.run(client.version(program), env=client.PLAIN, timeout=TIMEOUT)
    except CommandFailed:
        return None
    number = VERSION.search(told.stdout)
    return int(number[1]) * 10000 + int(number[2] or 0) if number and told.returncode == 0 else None


def _has_zstd(context: Context, pg_dump: str, major: int) -> bool:
    """Tried on a server that cannot be there: a build without it complains of that before it connects."""
    if major < FIRST_WITH_ZSTD:
        return False
    nowhere = {**client.PLAIN, "PGHOST": "/nonexistent", "PGCONNECT_TIMEOUT": "2"}
    tried = context.host.run(client.try_compression(pg_dump, "zstd:1"), env=nowhere, timeout=TIMEOUT)
    return "compression" not in tried.stderr.lower()
