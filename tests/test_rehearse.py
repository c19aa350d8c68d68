"""``rehearse``: the pending migrations on a restored copy, measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations import backup
from operations.context import Context
from operations.errors import NotFound, Refused
from operations.migrations.script import read_script
from operations.rehearse import refuse_what_reaches_beyond, rehearse

from .conftest import Server

INIT = """CREATE TABLE "Item" (id SERIAL PRIMARY KEY, price INT NOT NULL);
INSERT INTO "Item" (price) SELECT i FROM generate_series(1, 5000) i;
"""


@pytest.fixture
def rehearsed(context_of: Callable[..., Context], server18: Server) -> Context:
    """A database with one applied migration, and a backup of it."""
    from operations.apply import apply

    context = context_of(server18.url(server18.create()))
    add(context, "20240101000000_init", INIT)
    apply(context)
    backup.create(context)
    return context


def add(context: Context, name: str, script: str) -> None:
    folder = Path(context.environment.migrations) / name
    folder.mkdir(parents=True)
    (folder / "migration.sql").write_text(script)


def databases(context: Context) -> set[str]:
    with context.database.session() as session:
        return {name for (name,) in session.rows("SELECT datname FROM pg_database")}


def test_pending_migrations_are_measured_on_a_copy_and_the_live_database_stays(rehearsed: Context) -> None:
    add(rehearsed, "20240201000000_bigint", 'ALTER TABLE "Item" ALTER COLUMN price TYPE BIGINT;\nSELECT 1;')
    add(rehearsed, "20240301000000_index", 'CREATE INDEX CONCURRENTLY i ON "Item"(price);')
    before = databases(rehearsed)
    found = rehearse(rehearsed)
    assert (found.ok, found.pending) == (True, ("20240201000000_bigint", "20240301000000_index"))
    alter, select, index = found.statements
    assert alter.rewrites == ('public."Item"',)
    assert {lock.relation: lock.mode for lock in alter.locks}['public."Item"'] == "AccessExclusiveLock"
    assert (alter.wal_bytes or 0) > 5000 * 24 > (select.wal_bytes or 0)
    assert [(lock.relation, lock.mode) for lock in index.locks] == [('public."Item"', "ShareUpdateExclusiveLock")]
    assert databases(rehearsed) == before
    with rehearsed.database.session() as session:
        assert session.rows("SELECT count(*) FROM pg_indexes WHERE indexname = 'i'") == [(0,)]


def test_what_fails_only_with_the_rows_that_there_are_fails_here(rehearsed: Context) -> None:
    add(rehearsed, "20240201000000_check", 'SELECT 1;\nALTER TABLE "Item" ADD CHECK (price < 5000);')
    before = databases(rehearsed)
    found = rehearse(rehearsed)
    assert found.failed
    assert (found.ok, found.failed.line, "23514" in found.failed.message) == (False, 2, True)
    assert databases(rehearsed) == before


@pytest.mark.parametrize(
    "script",
    [
        "CREATE ROLE somebody;",
        "GRANT a TO b;",
        "ALTER DATABASE shop SET work_mem = '1GB';",
        "GRANT CONNECT ON DATABASE shop TO somebody;",
        "COMMENT ON ROLE somebody IS 'x';",
        "COPY t FROM PROGRAM 'id';",
        "SELECT 1 FROM;;'",
        "BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x';",
    ],
)
def test_what_reaches_beyond_the_copy_is_refused(script: str) -> None:
    with pytest.raises(Refused, match=r"20240101_a/migration\.sql"):
        refuse_what_reaches_beyond({"20240101_a/migration.sql": read_script("20240101_a", script)})


@pytest.mark.parametrize(
    "script", ["GRANT SELECT ON t TO a;", "COMMENT ON TABLE t IS 'x';", "ALTER TABLE t OWNER TO a;"]
)
def test_what_stays_in_the_copy_is_not(script: str) -> None:
    refuse_what_reaches_beyond({"20240101_a/migration.sql": read_script("20240101_a", script)})


def test_a_refusal_comes_before_anything_has_run(rehearsed: Context) -> None:
    add(rehearsed, "20240201000000_role", "SELECT 1;\nCREATE ROLE somebody;")
    before = databases(rehearsed)
    with pytest.raises(Refused, match=r"migration\.sql:2 CREATE ROLE"):
        rehearse(rehearsed)
    assert databases(rehearsed) == before


def test_without_a_backup_there_is_nothing_to_rehearse_on(context_of: Callable[..., Context], server18: Server) -> None:
    context = context_of(server18.url(server18.create()))
    add(context, "20240101000000_init", INIT)
    with pytest.raises(NotFound):
        rehearse(context)
