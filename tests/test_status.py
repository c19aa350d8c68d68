"""``status`` and ``resolve`` on real servers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.adapters.local_host import LocalHost
from operations.context import Context
from operations.errors import (
    DatabaseMissing,
    HistoryConflict,
    LockHeld,
    MigrationFilesError,
    NotFound,
    PrivilegeMissing,
)
from operations.journal import records
from operations.migrations.formats import detect
from operations.migrations.model import HistoryRow
from operations.migrations.prisma import Prisma
from operations.ports import Session
from operations.resolve import resolve
from operations.secret import Secret
from operations.status import StatusResult, status

from .conftest import Server
from .corpus import HISTORIES, corpus
from .folders import write_migration

SNAPSHOT = """
    SELECT array_agg(c.oid::text || c.relname || coalesce(s.n_tup_ins, 0) ORDER BY c.oid)
    FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid WHERE c.relnamespace >= 2200"""


def checksum(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


def insert(session: Session, name: str, sql: str, state: str, minute: int = 0) -> None:
    """A row as Prisma leaves it."""
    done = {"applied": "finished_at", "rolled back": "rolled_back_at"}.get(state)
    session.execute(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, logs) VALUES (%s, %s, %s, %s, %s)",
        (
            f"{name} {minute}",
            checksum(sql),
            name,
            f"2024-01-01 00:{minute:02}:00Z",
            "boom" if state == "failed" else None,
        ),
    )
    if done:
        session.execute(f"UPDATE _prisma_migrations SET {done} = now() WHERE id = %s", (f"{name} {minute}",))


def rows(context: Context) -> list[tuple[str, bool, bool, str | None, int]]:
    """The history: name, finished, rolled back, logs, steps."""
    with context.database.session() as session:
        found: tuple[HistoryRow, ...] = Prisma().history(session) or ()
    return [
        (row.name, row.finished_at is not None, row.rolled_back_at is not None, row.logs, row.applied_steps)
        for row in found
    ]


@pytest.fixture
def lived(context: Context) -> Context:
    """A database that has seen everything."""
    for name in ("1_applied", "2_edited", "3_late", "4_failed", "5_again", "6_windows", "7_new"):
        write_migration(context, name, f"SELECT '{name}';\n")
    (Path(context.environment.migrations) / "6_windows" / "migration.sql").write_bytes(b"SELECT '6_windows';\r\n")
    with context.database.session() as session:
        Prisma().create_history(session)
        insert(session, "1_applied", "SELECT '1_applied';\n", "applied", 0)
        insert(session, "2_edited", "SELECT 2;\n", "applied", 1)
        insert(session, "3_gone", "SELECT 3;\n", "applied", 2)
        insert(session, "4_failed", "SELECT '4_failed';\n", "failed", 3)
        insert(session, "5_again", "SELECT 5;\n", "rolled back", 4)
        insert(session, "5_again", "SELECT '5_again';\n", "applied", 5)
        insert(session, "6_windows", "SELECT '6_windows';\n", "applied", 6)
    return context


def test_everything_that_can_be_said(lived: Context) -> None:
    found = status(lived)
    assert found == StatusResult(
        applied=("1_applied", "2_edited", "3_gone", "5_again", "6_windows"),
        pending=("3_late", "7_new"),
        failed=("4_failed",),
        edited=("2_edited",),
        missing=("3_gone",),
        out_of_order=("3_late",),
        format="prisma",
        warnings=found.warnings,
    )
    assert not found.ok
    assert "1_applied" in found.warnings[0]


def test_a_folder_and_database_that_agree_are_healthy(context: Context) -> None:
    write_migration(context, "20240101000000_init", "SELECT 1;")
    assert not status(context).ok
    resolve(context, "20240101000000_init", applied=True)
    found = status(context)
    assert found.ok
    assert found.warnings == ()
    assert found.applied == ("20240101000000_init",)


def test_status_changes_nothing(server: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(Secret(f"{server.url(server.create()).reveal()}?schema=not%20there"))
    write_migration(context, "1", "SELECT 1;")
    with context.database.session() as session:
        before = session.rows(SNAPSHOT)
        found = status(context)
        assert session.rows(SNAPSHOT) == before
        assert session.rows("SELECT count(*)::int FROM pg_namespace WHERE nspname = 'not there'") == [(0,)]
    assert (found.pending, found.has_table) == (("1",), False)
    assert not Path(context.environment.backup_dir).exists()


def test_what_a_deploy_would_refuse_is_said_beforehand(context: Context) -> None:
    write_migration(context, "20240101000000_a", "\ufeffSELECT 1;")
    (Path(context.environment.migrations) / "20240102000000_b").mkdir()
    with context.database.session() as session:
        session.execute("CREATE TABLE already_here ()")
    baseline, mark, script = status(context).warnings
    assert "P3005" in baseline
    assert "byte order mark" in mark
    assert "P3015" in script


def test_status_needs_no_more_than_reading(lived: Context, server: Server, context_of: Callable[..., Context]) -> None:
    with server.superuser(lived.database.target.database).session() as session:
        session.script("CREATE ROLE looks_on LOGIN PASSWORD 'x'")
        try:
            onlooker = context_of(server.url(lived.database.target.database, user="looks_on", password=Secret("x")))
            with pytest.raises(PrivilegeMissing):
                status(onlooker)
            session.execute("GRANT SELECT ON _prisma_migrations TO looks_on")
            assert status(onlooker).failed == ("4_failed",)
            with pytest.raises(PrivilegeMissing, match="permission denied"):
                resolve(onlooker, "4_failed", applied=False)
        finally:
            session.script("DROP OWNED BY looks_on; DROP ROLE looks_on")


def test_a_wrong_name_of_the_database(server: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(server.url("nowhere"))
    write_migration(context, "1", "SELECT 1;")
    with pytest.raises(DatabaseMissing):
        status(context)


def test_the_folder_is_looked_at_before_the_database(context_of: Callable[..., Context]) -> None:
    with pytest.raises(MigrationFilesError):
        status(context_of(Secret("postgresql://nobody@127.0.0.1:1/nowhere")))


def test_resolve_rolled_back(lived: Context) -> None:
    assert resolve(lived, "4_failed", applied=False).changed
    found = status(lived)
    assert found.failed == ()
    assert found.pending == ("3_late", "4_failed", "7_new")
    assert ("4_failed", False, True, "boom", 0) in rows(lived)
    before = rows(lived)
    assert not resolve(lived, "4_failed", applied=False).changed
    assert not resolve(lived, "5_again", applied=False).changed
    assert rows(lived) == before


def test_resolve_applied(lived: Context) -> None:
    resolve(lived, "4_failed", applied=True)
    resolve(lived, "3_late", applied=True)
    found = status(lived)
    assert {"3_late", "4_failed"} <= set(found.applied)
    assert found.failed == ()
    assert rows(lived)[-2:] == [("4_failed", True, False, "", 0), ("3_late", True, False, "", 0)]
    assert ("4_failed", False, True, "boom", 0) in rows(lived)
    assert [(record.operation, record.outcome) for record in records(lived)] == [("resolve", "resolved")] * 2


@pytest.mark.parametrize(
    ("name", "applied", "error", "code"),
    [
        ("1_applied", True, HistoryConflict, "P3008"),
        ("5_again", True, HistoryConflict, "P3008"),
        ("nonsense", True, NotFound, "P3017"),
        ("3_gone", True, NotFound, "P3017"),
        ("8_empty", True, NotFound, "P3017"),
        ("7_new", False, NotFound, "P3011"),
        ("nonsense", False, NotFound, "P3011"),
        ("1_applied", False, HistoryConflict, "P3012"),
    ],
)
def test_resolve_refuses_as_prisma_does(
    lived: Context, name: str, applied: bool, error: type[HistoryConflict], code: str
) -> None:
    (Path(lived.environment.migrations) / "8_empty").mkdir()
    before = rows(lived)
    with pytest.raises(error) as caught:
        resolve(lived, name, applied=applied)
    assert caught.value.prisma_code == code
    assert caught.value.hint
    assert rows(lived) == before
    assert records(lived) == ()


def test_resolve_makes_the_table_where_there_is_none(server: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(Secret(f"{server.url(server.create()).reveal()}?schema=app"))
    write_migration(context, "1_init", "SELECT 1;")
    with pytest.raises(NotFound):
        resolve(context, "1_init", applied=False)
    assert not status(context).has_table
    resolve(context, "1_init", applied=True)
    assert status(context).applied == ("1_init",)


def test_resolve_waits_for_nobody_for_ever(lived: Context, context_of: Callable[..., Context]) -> None:
    impatient = context_of(lived.environment.database_url, advisory_lock_timeout=0.0)
    with lived.database.session() as session:
        session.rows("SELECT pg_advisory_lock(72707369)")
        with pytest.raises(LockHeld) as caught:
            resolve(impatient, "4_failed", applied=False)
    assert caught.value.prisma_code == "P1002"
    assert status(lived).failed == ("4_failed",)


@pytest.mark.corpus
@pytest.mark.parametrize("name", HISTORIES)
def test_real_histories(name: str, server18: Server, context_of: Callable[..., Context]) -> None:
    folder, host = str(corpus(name)), LocalHost()
    real = context_of(server18.url(server18.create()), migrations=folder)
    migrations = detect(host, folder).read(host, folder)
    assert status(real).pending == tuple(m.name for m in migrations)
    with real.database.session() as session, session.transaction():
        Prisma().create_history(session)
        for migration in migrations:
            Prisma().record_applied(session, migration)
    found = status(real)
    assert found.ok
    assert len(found.applied) == len(migrations)
    assert len(found.warnings) == (2 if name == "langfuse" else 0)
