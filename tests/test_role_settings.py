"""What a server, a database or a role has been set to, and what of it must not reach our own work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import backup
from operations.adapters.postgres import PostgresDatabase
from operations.backup_archive import jobs_for
from operations.backups.surroundings import read_role
from operations.context import Context
from operations.database_url import parse_database_url
from operations.deploy import deploy
from operations.errors import (
    AuthenticationFailed,
    BackupFailed,
    ConnectionLost,
    DatabaseUnreachable,
    MigrationFailed,
    RestoreFailed,
    StatementFailed,
)
from operations.migrations.formats import FORMATS
from operations.quoting import identifier
from operations.restore import kept_databases, restore, undo
from operations.rollback import rollback
from operations.secret import Secret
from operations.settings import Backups
from operations.status import status
from operations.undoing import Rollback

from .conftest import OWNER_PASSWORD, Server
from .folders import write_migration
from .holding import is_held
from .test_deploy import SHOP, state
from .test_way_back import way_of_failure, when

ContextOf = Callable[..., Context]


@contextmanager
def role(
    server: Server, name: str, *settings: str, options: str = "CREATEDB", database: str | None = None
) -> Iterator[Secret]:
    """A role of its own that owns a new database; yields the database's URL for it."""
    who = identifier(name)
    with server.superuser().session() as session:
        session.execute(f"CREATE ROLE {who} LOGIN {options} PASSWORD '{OWNER_PASSWORD.reveal()}'")
        for setting in settings:
            session.execute(f"ALTER ROLE {who} SET {setting}")
    try:
        yield server.url(server.create(database, owner=name), name)
    finally:
        with server.superuser().session() as session:
            for (left,) in session.rows(
                "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE rolname = %s", (name,)
            ):
                session.execute(f"DROP DATABASE {identifier(left)} WITH (FORCE)")
            session.execute(f"DROP ROLE {who}")


def end_idle(server: Server, name: str) -> None:
    """Sessions of that role from now on: after as long as a busy machine may take from one statement to the next."""
    with server.superuser().session() as session:
        session.execute(f"ALTER ROLE {identifier(name)} SET idle_session_timeout = '8s'")


def rows_of(found: tuple[str, list[tuple[object, ...]]]) -> tuple[str, list[tuple[object, ...]]]:
    """Without those of the history, which bears the time."""
    return found[0], [row for row in found[1] if "_prisma_migrations" not in str(row[0])]


def deployed(context: Context) -> Context:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    return context


@pytest.mark.campaign
def test_a_restore_keeps_migrations_out_although_idle_sessions_are_ended(
    server15: Server, context_of: ContextOf
) -> None:
    """Its session with the lock is idle while the emergency backup is taken, and the other one restored."""
    with role(server15, "impatient") as url:
        context = deployed(context_of(url, backups=Backups(test_restore="never")))
        made = backup.create(context)
        held: list[bool] = []
        end_idle(server15, "impatient")

        def look() -> None:
            with context.database.session("postgres") as session:
                session.execute("SET idle_session_timeout TO 0")
                session.rows("SELECT pg_sleep(10)")
            with context.database.session() as session:
                held.append(is_held(session, FORMATS[0].lock_id))

        restore(when(context, "comparing", look), made.id)
        assert held == [True]
        undo(context)


def test_a_restore_that_has_lost_the_lock_swaps_nothing(server15: Server, context_of: ContextOf) -> None:
    context = deployed(context_of(server15.url(server15.create()), backups=Backups(test_restore="never")))
    made = backup.create(context)
    with context.database.session() as session:
        session.execute('DELETE FROM "Product"')
    before = state(context)

    def end() -> None:
        with context.database.session("postgres") as session:
            session.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'locktender run %%' AND datname = %s",
                (context.database.target.database,),
            )

    with pytest.raises(ConnectionLost):
        restore(when(context, "comparing", end), made.id)
    assert state(context) == before


@pytest.mark.campaign
def test_a_worker_of_pg_restore_may_wait_for_the_others(server: Server, context_of: ContextOf) -> None:
    """One fills the table, the other has nothing to do until there are indexes to be built."""
    with role(server, "hasty") as url:
        context = context_of(url, backups=Backups(jobs=2))
        with context.database.session() as session:
            session.script(
                "CREATE FUNCTION fits(int) RETURNS bool LANGUAGE sql AS 'SELECT true';"
                "CREATE TABLE t (a int CHECK (fits(a)), b int, c int); INSERT INTO t VALUES (1, 2, 3);"
                "CREATE INDEX ON t (a); CREATE INDEX ON t (b); CREATE INDEX ON t (c);"
                "CREATE OR REPLACE FUNCTION fits(int) RETURNS bool LANGUAGE sql AS 'SELECT pg_sleep(10) IS NOT NULL'"
            )
        end_idle(server, "hasty")
        assert backup.create(context, verify="L2").verified


def test_a_role_that_becomes_another_one_at_its_login_ends_what_it_has_left(
    server15: Server, context_of: ContextOf
) -> None:
    with role(server15, "deployer", "role = 'app_owner'", options="IN ROLE app_owner") as url:
        with server15.superuser().session() as session:
            name = parse_database_url(url).target.database
            session.execute(f"ALTER DATABASE {identifier(name)} OWNER TO app_owner")
        context = context_of(url, backups=Backups(test_restore="never"))
        context = deployed(replace(context, environment=replace(context.environment, advisory_lock_timeout=0.5)))
        run_id = (status(context).last_run or status).run_id  # type: ignore[union-attr]
        left = context.database.connect(purpose=f"run {run_id}")
        left.rows("SELECT pg_advisory_lock(%s)", (FORMATS[0].lock_id,))
        write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
        assert deploy(context).outcome == "deployed"
        with pytest.raises(ConnectionLost):
            left.rows("SELECT 1")
        with server15.superuser().session() as session:
            session.execute(f"DROP DATABASE {identifier(name)} WITH (FORCE)")


def test_jobs_leave_room_for_others(server: Server, context_of: ContextOf) -> None:
    """Limits of the role and of the database count as the server's do, and so do sessions of whoever it is."""
    with role(server, "few") as url:
        context = context_of(url, backups=Backups(jobs=8))
        name = identifier(context.database.target.database)
        with context.database.session() as session, server.superuser().session() as admin:
            admin.execute("ALTER ROLE few CONNECTION LIMIT 12")
            assert read_role(session).free_connections == 11
            admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 4")
            assert read_role(session).free_connections == 3
            with server.superuser(context.database.target.database).session():
                assert read_role(session).free_connections == 2
            admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        assert jobs_for(context, 5) == 1
        with context.database.session() as session:
            session.script("CREATE TABLE a AS SELECT 1 AS i; CREATE TABLE b AS SELECT 2 AS i")
        assert backup.create(context, verify="L2").verified, "eight jobs would have been too many"


def test_no_connection_left_is_called_so(server15: Server, context_of: ContextOf) -> None:
    with role(server15, "single", options="CONNECTION LIMIT 1") as url:
        context = context_of(url)
        with context.database.session(), pytest.raises(DatabaseUnreachable, match="too many connections") as caught:
            context.database.connect()
    assert "CONNECTION LIMIT" in (caught.value.hint or "")


WAITING = """
    SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%' AND wait_event_type = 'Lock'
      AND query_start < clock_timestamp() - interval '1.5 seconds'
"""


SLOW = "SELECT pg_sleep(0.9);"


def test_a_migration_that_a_statement_timeout_cancels_says_who_has_set_it(
    server15: Server, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with role(server15, "slow") as url, server15.superuser().session() as boss:
        context = context_of(url)
        write_migration(context, "1_init", SHOP)
        deploy(context)
        before, database = state(context), identifier(context.database.target.database)
        write_migration(context, "2_slow", SLOW)
        for setter in (
            "ALTER ROLE ALL",
            f"ALTER DATABASE {database}",
            'ALTER ROLE "slow"',
            f'ALTER ROLE "slow" IN DATABASE {database}',
        ):
            boss.execute(f"{setter} SET statement_timeout = '600ms'")
            try:
                with pytest.raises(MigrationFailed, match=rf"57014.* may last 600ms, by {setter} SET") as caught:
                    deploy(context)
            finally:
                boss.execute("ALTER ROLE ALL RESET statement_timeout")
            assert f"{setter} RESET statement_timeout, or write SET" in (caught.value.hint or "")
        monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=500ms")
        with pytest.raises(MigrationFailed, match=r"may last 500ms, by .*PGOPTIONS"):
            deploy(context)
        monkeypatch.delenv("PGOPTIONS")
        assert state(context) == before
        write_migration(context, "2_slow", f"SET statement_timeout = 0;\n{SLOW}")
        assert deploy(context).applied == ("2_slow",)


DROPPING = """
    SELECT pid FROM pg_stat_activity WHERE query LIKE 'DROP INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
      AND datname = current_database() AND query_start < clock_timestamp() - interval '1.5 seconds'
"""


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_a_statement_timeout_leaves_of_an_index_is_dropped_without_one(
    server15: Server, context_of: ContextOf, cancelled: bool
) -> None:
    """An application's transaction is in the way of both; somebody may even cancel the dropping."""
    with role(server15, "curt") as url:
        context, over = deployed(context_of(url)), threading.Event()
        before, name = state(context), context.database.target.database
        index = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON "Product" (price);'
        write_migration(context, "2_index", f"SET statement_timeout = 0;\n{index}")
        with server15.superuser(name).session() as holder, server15.superuser(name).session() as boss:
            boss.execute("ALTER ROLE curt SET statement_timeout = '600ms'")
            holder.script('BEGIN; UPDATE "Product" SET price = price')

            def let_go() -> None:
                while not over.wait(0.1) and not (found := boss.rows(DROPPING)):
                    pass
                if cancelled and not over.is_set():
                    boss.rows("SELECT pg_cancel_backend(%s)", found[0])
                    time.sleep(1)
                holder.execute("ROLLBACK")

            thread = threading.Thread(target=let_go)
            thread.start()
            try:
                with pytest.raises(MigrationFailed, match=r'57014.* by ALTER ROLE "curt" SET') as caught:
                    deploy(context)
                assert not over.is_set()
            finally:
                over.set()
                thread.join()
            assert caught.value.details["migration"] == "2_index"
            assert caught.value.details["place"].endswith("migration.sql:2:1")
            assert caught.value.hint.startswith('ALTER ROLE "curt" RESET statement_timeout, or SET a longer one')
            assert "file" not in caught.value.hint
            assert state(context) == before
            boss.execute("ALTER ROLE curt RESET statement_timeout")
        assert deploy(context).applied == ("2_index",)


def test_what_a_run_reads_itself_may_take_longer_than_a_statement_timeout(
    server15: Server, context_of: ContextOf
) -> None:
    with role(server15, "patient") as url:
        context = context_of(url)
        write_migration(context, "1_init", SHOP)
        deploy(context)
        with server15.superuser().session() as session:
            session.execute("ALTER ROLE patient SET statement_timeout = '300ms'")
        write_migration(context, "2_more", "CREATE TABLE more (a int);")
        for run in (status, deploy):
            with held_for(server15, context, 0.7):
                run(context)
        assert status(context).pending == ()


@contextmanager
def held_for(server: Server, context: Context, seconds: float) -> Iterator[None]:
    """The history is locked from now on, for that long after somebody waits for it."""
    waiting = "SELECT FROM pg_locks WHERE relation = '_prisma_migrations'::regclass AND NOT granted"

    def let_go() -> None:
        while not holder.rows(waiting):
            time.sleep(0.02)
        time.sleep(seconds)
        holder.execute("COMMIT")

    with server.superuser(context.database.target.database).session() as holder:
        holder.script("BEGIN; LOCK TABLE _prisma_migrations")
        thread = threading.Thread(target=let_go, daemon=True)
        thread.start()
        yield
        thread.join(60)


def test_a_statement_timeout_that_leaves_no_time_is_told_by_whatever_meets_it(
    server15: Server, context_of: ContextOf
) -> None:
    with role(server15, "hasty") as url:
        context = context_of(url)
        with server15.superuser().session() as session:
            session.execute("ALTER ROLE hasty SET statement_timeout = '50ms'")
        with context.database.session() as session, pytest.raises(StatementFailed) as caught:
            session.rows("SELECT pg_sleep(5)")
        assert "ALTER DATABASE … RESET statement_timeout" in (caught.value.hint or "")


@contextmanager
def template_held(server: Server) -> Iterator[None]:
    """By another session, so that making a database takes long."""
    over = threading.Event()

    def let_go() -> None:
        with server.superuser().session() as session:
            while not over.wait(0.1) and not session.rows(WAITING):
                pass
        holder.script("ROLLBACK")

    with server.superuser().session() as holder:
        holder.script("BEGIN; COMMENT ON DATABASE template0 IS 'held'")
        thread = threading.Thread(target=let_go)
        thread.start()
        try:
            yield
            assert not thread.is_alive(), "nobody has made one"
        finally:
            over.set()
            thread.join()


def test_a_short_statement_timeout_does_not_keep_databases_from_being_made(
    server15: Server, context_of: ContextOf
) -> None:
    with role(server15, "brisk") as url:
        with server15.superuser().session() as session:
            session.execute("ALTER ROLE brisk IN DATABASE postgres SET statement_timeout = '1s'")
        context = deployed(context_of(url))
        with template_held(server15):
            assert backup.create(context, verify="L2").verified


def test_nor_the_empty_one_that_a_first_deploy_returns_to(server15: Server, context_of: ContextOf) -> None:
    with role(server15, "terse") as url:
        with server15.superuser().session() as session:
            session.execute("ALTER ROLE terse SET statement_timeout = '1s'")
        context = context_of(url, backups=Backups(test_restore="never"))
        write_migration(context, "1_init", "CREATE TABLE z (a int); INSERT INTO z VALUES (1); VACUUM z;")
        write_migration(context, "2_bad", "SELECT 1/0;")
        before = state(context)
        with template_held(server15):
            assert way_of_failure(context) == ("swap", True)
        assert state(context) == before


@pytest.mark.campaign
@pytest.mark.parametrize("style", ["SQL, DMY", "German"])
def test_times_are_written_as_anybody_likes(server15: Server, context_of: ContextOf, style: str) -> None:
    """The database's own settings, which hold in no other database of the server: a swap looks from there."""
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    with context.database.session() as session:
        name = identifier(context.database.target.database)
        session.execute(f"ALTER DATABASE {name} SET datestyle TO {style}")
        session.execute(f"ALTER DATABASE {name} SET timezone TO 'Asia/Kathmandu'")
        session.execute(f"ALTER DATABASE {name} SET intervalstyle TO 'sql_standard'")
    deployed(context)
    assert status(context).applied == ("1_init",)
    before = state(context)
    write_migration(context, "2_more", 'UPDATE "Product" SET price = 0; CREATE INDEX CONCURRENTLY i ON "Product" (id);')
    write_migration(context, "3_bad", "SELECT 1/0;")
    assert way_of_failure(context) == ("swap", True)
    assert state(context) == before
    assert restore(context, backup.create(context).id).written_meanwhile == {}


def test_a_trigger_that_notes_logins_does_not_make_a_good_backup_look_bad(
    server18: Server, context_of: ContextOf, tmp_path: Path
) -> None:
    """Our own login to the restored database would write a row there. It is PostgreSQL's own example of such one."""
    database = server18.create(owner="postgres")
    context = context_of(Secret(server18.process.url(database).reveal()))
    with context.database.session() as session:
        session.script(
            "CREATE TABLE logins (who name, at timestamptz);"
            "CREATE FUNCTION note() RETURNS event_trigger SECURITY DEFINER SET search_path = public LANGUAGE plpgsql AS"
            " $$ BEGIN IF NOT pg_is_in_recovery() THEN INSERT INTO logins VALUES (session_user, now()); END IF; END $$;"
            "CREATE EVENT TRIGGER noting ON login EXECUTE FUNCTION note(); ALTER EVENT TRIGGER noting ENABLE ALWAYS"
        )
    made = backup.create(context, verify="L2")
    assert made.verified
    assert restore(context, made.id, into=f"{database}_copy").validation.ok
    assert restore(context, made.id).validation.ok
    with context.database.session() as session:
        first = session.rows("SELECT count(*) FROM logins")
    with context.database.session() as session:
        assert session.rows("SELECT count(*) FROM logins") > first, "the trigger is at work again"


@pytest.mark.campaign
def test_what_would_be_left_with_its_triggers_off_is_not_kept(server18: Server, context_of: ContextOf) -> None:
    with role(server18, "demoted", options="SUPERUSER CREATEDB") as url, server18.superuser().session() as boss:
        context = deployed(context_of(url, backups=Backups(test_restore="never")))
        made = backup.create(context)
        into = f"{context.database.target.database}_copy"

        def demote() -> None:
            boss.execute("ALTER ROLE demoted NOSUPERUSER")

        with pytest.raises(RestoreFailed, match="event_triggers"):
            restore(when(context, "comparing", demote), made.id, into=into)
        assert boss.rows("SELECT datname FROM pg_database WHERE datname = %s", (into,)) == []
        assert restore(context, made.id, into=into).validation.ok, "without the right to turn them off"


@contextmanager
def admitted(server: Server, user: str, *databases: str) -> Iterator[None]:
    """``pg_hba.conf`` lets that role into those databases alone."""
    with server.superuser().session() as session:
        path = Path(str(session.rows("SHOW hba_file")[0][0]))
    before = path.read_text()
    lines = [f'host "{database}" {user} 127.0.0.1/32 scram-sha-256' for database in databases]

    def admits(database: str) -> bool:
        try:
            PostgresDatabase(parse_database_url(server.url(database, user))).connect().close()
        except AuthenticationFailed:
            return False
        return True

    def write(text: str, *, narrow: bool) -> None:
        path.write_text(text)
        with server.superuser().session() as session:
            session.rows("SELECT pg_reload_conf()")
        while admits("template1") is narrow:
            time.sleep(0.01)

    write("\n".join([*lines, f"host all {user} all reject", before]), narrow=True)
    try:
        yield
    finally:
        write(before, narrow=False)


def test_a_server_that_admits_the_role_to_its_own_database_alone_is_told_before_the_dump(
    server15: Server, context_of: ContextOf
) -> None:
    with role(server15, "narrow") as url:
        context = deployed(context_of(url))
        name = context.database.target.database
        with admitted(server15, "narrow", name), pytest.raises(AuthenticationFailed, match='"postgres"') as caught:
            backup.create(context, verify="L2")
        assert "pg_hba.conf" in (caught.value.hint or "")
        assert backup.list_backups(context) == ()
        with admitted(server15, "narrow", name, "postgres"):
            with pytest.raises(BackupFailed, match=r"could not be tested.*databases of any name") as failed:
                backup.create(context, verify="L2")
            assert backup.create(context, verify="L1").level == "L1"
        assert failed.value.details["backup_id"] in {made.id for made in backup.list_backups(context)}


@pytest.mark.campaign
def test_odd_names_from_the_first_deploy_to_the_undo_of_a_restore(server15: Server, context_of: ContextOf) -> None:
    database = 'a "shop" that isn\'t\\ ü %s '.ljust(62, "x")
    assert len(database.encode()) == 63
    with role(server15, 'the "owner" isn\'t %s', database=database) as url:
        context = deployed(context_of(url, backups=Backups(test_restore="never")))
        one = state(context)
        write_migration(context, "2 it's", 'UPDATE "Product" SET price = 7; CREATE TABLE "a ""b"" %s" (i int);')
        assert deploy(context).backup_id
        two = state(context)
        assert rollback(context).rollback == Rollback(
            "swap", lossless=True, kept_database=kept_databases(context)[0].name
        )
        assert state(context) == one
        made = backup.create(context, verify="L2")
        assert deploy(context).outcome == "deployed"
        assert restore(context, made.id).validation.ok
        assert state(context) == one
        undo(context)
        assert rows_of(state(context)) == rows_of(two)
        assert status(context).pending == ()
