"""Databases in encodings that are not UTF-8: what works there, and what is refused before anything is touched."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest

from operations import backup
from operations.context import Context
from operations.deploy import deploy
from operations.errors import Refused
from operations.quoting import identifier
from operations.restore import restore
from operations.status import status

from .conftest import Server
from .folders import write_migration
from .test_deploy import SHOP, state


@pytest.fixture
def ascii(server15: Server, context_of: Callable[..., Context]) -> Context:
    """An SQL_ASCII database with one migration applied."""
    name = f"ascii_{uuid4().hex[:8]}"
    with server15.superuser().session() as session:
        session.execute(
            f"CREATE DATABASE {identifier(name)} OWNER app_owner TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
        )
    server15.made.append(name)
    context = context_of(server15.url(name))
    write_migration(context, "1_init", SHOP)
    deploy(context)
    return context


def send(context: Context, sql: bytes) -> None:
    """Bytes as they are."""
    url = context.environment.database_url.reveal()
    with closing(psycopg.connect(url, autocommit=True, client_encoding="SQL_ASCII")) as connection:
        connection.execute(sql)


def test_rows_of_any_bytes_are_deployed_backed_up_and_restored(ascii: Context) -> None:
    send(ascii, b"INSERT INTO \"Product\" VALUES (5000, 'caf\xe9', 7)")
    before = state(ascii)
    made = backup.create(ascii)
    write_migration(ascii, "2_more", 'UPDATE "Product" SET price = 0;')
    assert deploy(ascii).applied == ("2_more",)
    restore(ascii, made.id)
    assert state(ascii) == before


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_touched(ascii: Context) -> None:
    send(ascii, b'CREATE TABLE "caf\xe9" (a int)')
    write_migration(ascii, "2_more", "CREATE TABLE more (a int);")
    for run in (deploy, backup.create):
        with pytest.raises(Refused, match=r"encoding is SQL_ASCII, and a name .* is not UTF-8.*0xe9") as caught:
            run(ascii)
        assert caught.value.exit_code == 5
        assert "PGCLIENTENCODING=SQL_ASCII psql" in (caught.value.hint or "")
    assert status(ascii).pending == ("2_more",)
    send(ascii, b'ALTER TABLE "caf\xe9" RENAME TO "caf\xc3\xa9"')
    assert deploy(ascii).applied == ("2_more",)
