"""The sample schema with one of everything that backups are known to lose (``samples/regression.sql``)."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

from operations.adapters.throwaway import embedded_binaries
from operations.quoting import identifier

from .conftest import DEBIAN_BINARIES, Server

SAMPLE = Path(__file__).parent / "samples" / "regression.sql"


def ensure_reader(server: Server) -> None:
    """The role that the sample grants to."""
    with server.superuser().session() as session:
        if not session.rows("SELECT FROM pg_roles WHERE rolname = 'app_reader'"):
            session.execute("CREATE ROLE app_reader")


def regression_database(server: Server, *, for_others: bool = False) -> str:
    """A new database with the sample schema and its rows; returns its name."""
    ensure_reader(server)
    name = server.create(for_others=for_others)
    with server.superuser(name).session() as session:
        session.script(SAMPLE.read_text(encoding="utf-8"))
    return name


def dumped_and_restored(server: Server, name: str, directory: Path) -> str:
    """A copy of a database by way of the plain client tools; returns its name."""
    binaries = DEBIAN_BINARIES if server.major == 15 else embedded_binaries()
    archive = directory / f"{uuid.uuid4().hex}.dump"
    copy = server.create()
    with server.superuser().session() as session:
        owner = session.rows("SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", (name,))[0][0]
        session.script(f"DROP DATABASE {identifier(copy)}")
        session.execute(f"CREATE DATABASE {identifier(copy)} TEMPLATE template0 OWNER {owner}")
    for argv, database in (
        (["pg_dump", "-Fc", "-f", str(archive)], name),
        (["pg_restore", "--exit-on-error", "-d", copy, str(archive)], copy),
    ):
        environment = dict(server.superuser(database).client_environment())
        program = str(binaries / argv[0])
        subprocess.run([program, *argv[1:]], env=environment, check=True, timeout=60)
    return copy
