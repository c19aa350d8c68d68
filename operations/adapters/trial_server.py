"""A PostgreSQL of our own to try scripts on that nobody vouches for: its limits, its two roles, how it begins."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from operations.adapters.kept_clusters import Kept
from operations.adapters.throwaway import FAST, ThrowawayServer
from operations.database_url import parse_database_url
from operations.errors import CommandFailed, LocktenderError
from operations.quoting import literal
from operations.secret import Secret
from operations.validation.trial import BASE

if TYPE_CHECKING:
    from operations.adapters.postgres import PostgresDatabase

SUPERUSER = "locktender"
ADMINISTRATION = "postgres"
"""The database in which only the superuser is."""
MIGRATOR = "postgres"
"""No superuser, but called as the owner is at most of those who host PostgreSQL, for scripts that name it."""
ROLE_OPTIONS = "LOGIN VALID UNTIL 'infinity' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
MEMORY = 1 << 30
"""Bytes of address space of each process: of a value, too, that it would send us."""
CONFINED = FAST | {
    "autovacuum": "off",
    "max_connections": "20",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_wal_size": "256MB",
    "temp_file_limit": "1GB",
    "max_locks_per_transaction": "512",
    "shared_buffers": "128MB",
    "lc_messages": "C",
    "scram_iterations": "1",
}
"""``temp_file_limit`` and the number of workers are nothing that a script could change.

A password is random, and one session's: hashed thousands of times it would be no safer, and each session 20 ms later.
"""


@contextmanager
def running(process: ThrowawayServer, kept: Kept | None) -> Iterator[Kept | None]:
    """Started, and what it has begun with: the cluster that was kept, unless that is of no use, or a new one."""
    if kept:
        process.cluster, process.password = kept.cluster, kept.password
        if not _begins(process):
            kept = process.cluster = None
            process.password = _new_password()
    try:
        if not kept:
            _start_anew(process)
        yield kept
    finally:
        process.stop()


def renew(process: ThrowawayServer) -> None:
    """The same with a new cluster, whatever it runs on so far."""
    process.stop()
    process.cluster, process.password = None, _new_password()
    _start_anew(process)


def _start_anew(process: ThrowawayServer) -> None:
    process.start()
    make_roles(process)


def _begins(process: ThrowawayServer) -> bool:
    """Whether it can be used; otherwise nothing of it is left."""
    try:
        process.start()
    except (CommandFailed, OSError, subprocess.SubprocessError):
        return False
    try:
        _change_password(process)
    except LocktenderError:
        process.stop()
        return False
    except BaseException:
        process.stop()
        raise
    return True


def make_roles(process: ThrowawayServer) -> None:
    """What every cluster has before anything runs in it. Its template becomes the base, and need not be copied."""
    with database_at(process.url()).session(purpose="validate") as session:
        session.script(
            f"CREATE ROLE {MIGRATOR} {ROLE_OPTIONS}; REVOKE CONNECT ON DATABASE {ADMINISTRATION} FROM PUBLIC;"
            f" GRANT SET ON PARAMETER session_replication_role TO {MIGRATOR};"
            f" ALTER DATABASE template1 IS_TEMPLATE false; ALTER DATABASE template1 RENAME TO {BASE};"
            f" GRANT TEMPORARY ON DATABASE {BASE} TO PUBLIC"
        )


def _change_password(process: ThrowawayServer) -> None:
    """The one of a cluster that was copied is as secret as the copy."""
    word = _new_password()
    with database_at(process.url()).session(purpose="validate") as session:
        session.execute(f"ALTER ROLE {SUPERUSER} PASSWORD {literal(word.reveal())}")
    process.password = word


def _new_password() -> Secret:
    return Secret(secrets.token_urlsafe(12))


def database_at(url: Secret) -> PostgresDatabase:
    """By its URL alone."""
    from operations.adapters.postgres import PostgresDatabase  # takes a tenth of a second, in which a server can start

    return PostgresDatabase(parse_database_url(url))
