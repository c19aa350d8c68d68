"""A database's whole state as one text: schema by ``pg_dump -s``, every row, and the migration history."""

from __future__ import annotations

import hashlib
import subprocess

from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.adapters.throwaway import embedded_binaries
from operations.database_url import parse_database_url
from operations.quoting import identifier
from operations.secret import Secret

from ..conftest import DEBIAN_BINARIES

TABLES = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> '_prisma_migrations' ORDER BY 1, 2"""
HISTORY = """
    SELECT string_agg(concat_ws('|', migration_name, checksum, finished_at IS NOT NULL, rolled_back_at IS NOT NULL,
                                applied_steps_count), chr(10) ORDER BY migration_name, started_at)
    FROM _prisma_migrations"""


def observe(url: Secret) -> str:
    """A digest of all there is; sequences count by definition only, since no transaction takes their values back."""
    parameters = parse_database_url(url)
    database = PostgresDatabase(parameters)
    digest = hashlib.sha256()
    with database.session(purpose="observer") as session:
        binaries = DEBIAN_BINARIES if session.server_version < 160000 else embedded_binaries()
        for line in (*_rows(session), *_properties(session)):
            digest.update(line.encode())
    dumped = subprocess.run(
        [str(binaries / "pg_dump"), "-s"],
        env=dict(database.client_environment()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    for line in dumped.stdout.splitlines():
        if not line.startswith(("\\restrict", "\\unrestrict")):
            digest.update(line.encode())
    return digest.hexdigest()


def _rows(session: PostgresSession) -> list[str]:
    lines = []
    for schema, table in session.rows(TABLES):
        counted = session.rows(f"SELECT count(*), sum(hashtextextended(x::text, 0)) FROM {identifier(schema, table)} x")
        lines.append(f"{schema}.{table} {counted[0]}")
    if session.rows("SELECT to_regclass('_prisma_migrations') IS NOT NULL")[0][0]:
        lines.append(str(session.rows(HISTORY)[0][0]))
    return lines


def _properties(session: PostgresSession) -> list[str]:
    found = session.rows(
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datacl::text, datconnlimit,"
        " datallowconn, shobj_description(oid, 'pg_database'),"
        " (SELECT array_agg(setconfig::text) FROM pg_db_role_setting WHERE setdatabase = d.oid)::text"
        " FROM pg_database d WHERE datname = current_database()"
    )
    return [str(row) for row in found]
