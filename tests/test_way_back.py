"""The way back never says that nothing was lost where something was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from msgspec.structs import replace

from operations import catalog, downs, uncounted
from operations.adapters.postgres import PostgresDatabase
from operations.blockers import holding
from operations.context import Context
from operations.database_url import parse_database_url
from operations.deploy import deploy
from operations.errors import (
    ConnectionLost,
    DataWouldBeLost,
    HistoryConflict,
    LocktenderError,
    MigrationFailed,
    NeedsAttention,
)
from operations.journal import records
from operations.leftovers import Outside, drop_new_invalid_indexes, recreate_dropped_indexes
from operations.migrations.indexes import Index, index_work
from operations.migrations.script import read_script
from operations.outcome import DeployResult
from operations.own_writes import counted_since
from operations.ports import Progress, Row
from operations.quoting import identifier
from operations.relation_names import name_parts
from operations.resolve import resolve
from operations.rollback import rollback
from operations.secret import Secret
from operations.settings import Backups
from operations.writes import Counters

from .conftest import Server
from .folders import write_migration

USERS = "CREATE TABLE users (id int PRIMARY KEY, nick text); CREATE TABLE old_logs (id int, t text);"
ROWS = (
    "INSERT INTO users SELECT g, 'n' || g FROM generate_series(1, 5) g;"
    " INSERT INTO old_logs SELECT g, 'x' FROM generate_series(1, 7) g;"
)
BAD = "CREATE INDEX CONCURRENTLY i ON users (id); SELECT 1/0;"


@pytest.fixture
def seeded(server15: Server, context_of: Callable[..., Context]) -> Context:
    """Two tables with rows, deployed by one migration and filled by an application."""
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    write_migration(context, "1_init", USERS)
    deploy(context)
    change(context, ROWS)
    return context


def rows(context: Context, query: str) -> list[Row]:
    with context.database.session(purpose="application") as session:
        return session.rows(query)


def change(context: Context, script: str) -> None:
    with context.database.session(purpose="application") as session:
        session.script(script)


def when(context: Context, label: str, action: Callable[[], object]) -> Context:
    """The same context, whose first report of that label runs an action."""
    done: list[object] = []

    def report(progress: Progress) -> None:
        if label in progress.label and not done:
            done.append(True)
            action()

    return replace(context, report=report)


def way_of(result: DeployResult) -> tuple[str, bool]:
    assert result.rollback is not None
    return result.rollback.method, result.rollback.lossless


def way_of_failure(context: Context) -> tuple[str, bool]:
    with pytest.raises(MigrationFailed) as caught:
        deploy(context)
    result = caught.value.details["result"]
    assert isinstance(result, DeployResult)
    return way_of(result)


LOSING = {
    "drop-table": ("DROP TABLE old_logs;", "CREATE TABLE old_logs (id int, t text);"),
    "drop-column": ("ALTER TABLE users DROP COLUMN nick;", "ALTER TABLE users ADD COLUMN nick text;"),
    "truncate": ("TRUNCATE old_logs; CREATE TABLE z (a int);", "DROP TABLE z;"),
    "rename": (
        "UPDATE users SET nick = 'gone'; ALTER TABLE users RENAME TO people;",
        "ALTER TABLE people RENAME TO users;",
    ),
    "rewrite": (
        "ALTER TABLE old_logs ALTER t TYPE int USING length(t);",
        "ALTER TABLE old_logs ALTER t TYPE text USING t::text;",
    ),
    "do": ("DO $$ BEGIN EXECUTE 'TRUNCATE old_logs'; END $$; CREATE VIEW v AS SELECT 1 AS a;", "DROP VIEW v;"),
}
"""What loses rows, and a way down that does not bring them back."""


@pytest.mark.parametrize(
    ("change", "accepted"), [*((change, False) for change in LOSING), ("drop-table", True), ("truncate", True)]
)
def test_rows_that_no_script_brings_back_come_from_the_backup(seeded: Context, change: str, accepted: bool) -> None:
    script, down = LOSING[change]
    write_migration(seeded, "2_loses", script, down)
    deploy(seeded)
    assert way_of(rollback(seeded, accept_data_loss=accepted)) == ("swap", True)
    assert rows(seeded, "SELECT count(nick), count(DISTINCT nick) FROM users") == [(5, 5)]
    assert rows(seeded, "SELECT count(*), max(t) FROM old_logs") == [(7, "x")]


def test_who_writes_while_the_backup_is_restored_keeps_it_from_being_swapped_in(seeded: Context) -> None:
    """Found by a power loss in that moment: it was refused without a word of what to type."""
    write_migration(seeded, "2_loses", *LOSING["drop-table"])
    deploy(seeded)
    busy = when(seeded, "comparing the restored database", lambda: change(seeded, "UPDATE users SET nick = 'late'"))
    with pytest.raises(DataWouldBeLost, match="Meanwhile others have written") as caught:
        rollback(busy)
    assert re.search(r"rollback --run \S+ --accept-data-loss --yes", caught.value.hint)
    assert rows(seeded, "SELECT DISTINCT nick FROM users") == [("late",)]


@pytest.mark.parametrize(
    ("script", "down"),
    [
        ("ALTER SEQUENCE orders_id_seq RESTART;", "SELECT 1;"),
        ("SELECT setval('orders_id_seq', 1);", "SELECT 1;"),
        (
            "ALTER TABLE orders ALTER id DROP DEFAULT; DROP SEQUENCE orders_id_seq;",
            "CREATE SEQUENCE orders_id_seq AS int OWNED BY orders.id;"
            " ALTER TABLE orders ALTER id SET DEFAULT nextval('orders_id_seq');",
        ),
    ],
    ids=["restarted", "set", "made-anew"],
)
def test_sequences_never_give_a_number_twice_after_a_way_down(seeded: Context, script: str, down: str) -> None:
    change(seeded, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders SELECT FROM generate_series(1, 9);")
    write_migration(seeded, "2_sequence", script, down)
    deploy(seeded)
    assert way_of(rollback(seeded)) == ("swap", True)
    assert rows(seeded, "INSERT INTO orders DEFAULT VALUES RETURNING id") == [(10,)]


def test_a_way_down_that_puts_the_sequence_right_is_believed(seeded: Context) -> None:
    change(seeded, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders SELECT FROM generate_series(1, 9);")
    down = "SELECT setval('orders_id_seq', max(id)) FROM orders;"
    write_migration(seeded, "2_sequence", "ALTER SEQUENCE orders_id_seq RESTART;", down)
    deploy(seeded)
    assert way_of(rollback(seeded)) == ("down", True)
    assert rows(seeded, "INSERT INTO orders DEFAULT VALUES RETURNING id") == [(10,)]


@pytest.mark.parametrize(
    "script",
    [
        "DO $$ BEGIN INSERT INTO users VALUES (6, 'n6'); COMMIT; PERFORM 1 / 0; END $$;",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS"
        " $$ BEGIN DELETE FROM users WHERE id = 1; COMMIT; PERFORM 1 / 0; END $$; CALL p();",
    ],
    ids=["do", "call"],
)
def test_what_a_block_had_committed_before_it_failed_is_not_called_undone(seeded: Context, script: str) -> None:
    """Found by hand: exit 3, "the old state stands", and the rows were there."""
    write_migration(seeded, "2_block", script)
    before = rows(seeded, "SELECT * FROM users ORDER BY 1")
    with pytest.raises(NeedsAttention) as caught:
        deploy(seeded)
    result = caught.value.details["result"]
    assert isinstance(result, DeployResult)
    assert (result.outcome, result.rollback) == ("needs_attention", None)
    assert rows(seeded, "SELECT * FROM users ORDER BY 1") != before
    assert way_of(rollback(seeded, run_id=result.run_id, accept_data_loss=True)) == ("swap", False)
    assert rows(seeded, "SELECT * FROM users ORDER BY 1") == before


def settings_of(context: Context) -> list[Row]:
    where = "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    return rows(context, f"SELECT setconfig FROM pg_db_role_setting WHERE {where}")


def test_what_others_have_set_for_the_database_is_not_lost_by_a_swap(seeded: Context) -> None:
    write_migration(seeded, "2_update", "UPDATE users SET nick = 'x';")
    deploy(seeded)
    name = identifier(seeded.database.target.database)
    change(seeded, f"ALTER DATABASE {name} SET work_mem = '7MB'; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    with pytest.raises(DataWouldBeLost, match="the database's own grants and settings"):
        rollback(seeded)
    assert settings_of(seeded) == [(["work_mem=7MB"],)]
    assert way_of(rollback(seeded, accept_data_loss=True)) == ("swap", False)


def test_what_a_migration_had_set_for_the_database_goes_with_it(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    name = identifier(context.database.target.database)
    script = f"CREATE TABLE z (a int); ALTER DATABASE {name} SET work_mem = '7MB';"
    write_migration(context, "1_vacuum", f"{script} VACUUM z;")
    write_migration(context, "2_bad", "SELECT 1/0;")
    assert way_of_failure(context) == ("swap", True)
    assert settings_of(context) == []
    (Path(context.environment.migrations) / "2_bad" / "migration.sql").write_text("SELECT 1;")
    write_migration(context, "1_vacuum", "CREATE TABLE a (i int);")
    deploy(context)
    write_migration(context, "3_set", script, "DROP TABLE z;")
    deploy(context)
    assert way_of(rollback(context)) == ("swap", True)
    assert settings_of(context) == []
    write_migration(context, "3_set", script, f"DROP TABLE z; ALTER DATABASE {name} RESET work_mem;")
    deploy(context)
    assert way_of(rollback(context)) == ("down", True)
    assert settings_of(context) == []


def test_what_a_function_had_set_for_the_database_is_not_called_undone(seeded: Context) -> None:
    sets = f"ALTER DATABASE {identifier(seeded.database.target.database)} SET work_mem = ''7MB''"
    change(seeded, f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE '{sets}'; END $$")
    write_migration(seeded, "2_sets", "SELECT f(); CREATE TABLE z (a int);", "DROP TABLE z;")
    deploy(seeded)
    with pytest.raises(DataWouldBeLost, match="the database's own settings would be others"):
        rollback(seeded)


def test_a_copy_from_the_client_is_undone_like_any_other_failure(seeded: Context) -> None:
    write_migration(seeded, "2_copy", "UPDATE users SET nick = 'x'; COPY users FROM stdin;")
    assert way_of_failure(seeded) == ("transaction", True)
    assert rows(seeded, "SELECT count(DISTINCT nick) FROM users") == [(5,)]


SWALLOWING = """
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER t BEFORE INSERT ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION nothing();
"""


@pytest.mark.parametrize("script", ["CREATE TABLE z (a int);", "CREATE TABLE z (a int); VACUUM users;"])
def test_a_history_that_keeps_nothing_stops_a_migration_before_it_is_committed(seeded: Context, script: str) -> None:
    """Found by hand: exit 3, "the old state stands", and the table was there."""
    change(seeded, SWALLOWING)
    write_migration(seeded, "2_z", script)
    with pytest.raises(HistoryConflict, match="does not keep what is written to it of 2_z"):
        deploy(seeded)
    assert rows(seeded, "SELECT to_regclass('z')") == [(None,)]


def test_what_the_history_has_forgotten_is_not_called_the_old_state(seeded: Context) -> None:
    write_migration(seeded, "2_z", "CREATE TABLE z (a int); VACUUM users;")
    write_migration(seeded, "3_forget", f"VACUUM users; {FORGETTING.replace('PERFORM 1 / 0;', '')}")
    with pytest.raises(NeedsAttention, match="the history tells nothing of it any more"):
        deploy(seeded)
    assert rows(seeded, "SELECT to_regclass('z')::text") == [("z",)]


@pytest.mark.parametrize("forget", ["DELETE FROM _prisma_migrations", "UPDATE _prisma_migrations SET id = md5(id)"])
def test_a_piece_that_makes_the_history_forget_is_not_committed(seeded: Context, forget: str) -> None:
    """Found by hand: exit 3, "the old state stands", and the table was there."""
    write_migration(
        seeded, "2_z", f"CREATE TABLE z (a int); {forget}; CREATE INDEX CONCURRENTLY i ON users (id); SELECT 1/0;"
    )
    with pytest.raises(HistoryConflict, match="does not keep what is written to it of 2_z"):
        deploy(seeded)
    assert rows(seeded, "SELECT to_regclass('z')") == [(None,)]


FORGETTING = """
    DO $$ BEGIN DELETE FROM _prisma_migrations WHERE migration_name > '1_init'; CREATE TABLE y (a int);
    COMMIT; PERFORM 1 / 0; END $$;
"""


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_was_forgotten_by_the_history_is_asked_about_until_a_person_has_seen_to_it(
    seeded: Context, by_hand: bool
) -> None:
    write_migration(seeded, "2_y", FORGETTING)
    for _ in range(2):
        with pytest.raises(NeedsAttention, match="Of 2_y a part may be in the database"):
            deploy(seeded)
    if by_hand:
        change(seeded, "DROP TABLE y")
        write_migration(seeded, "2_y", "CREATE TABLE y (a int);")
        assert deploy(seeded).applied == ("2_y",)
    else:
        resolve(seeded, "2_y", applied=True)
        assert deploy(seeded).outcome == "nothing_to_do"


@pytest.mark.parametrize(
    "prepared",
    [
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "COMMENT ON SCHEMA public IS 'ours'",
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC",
    ],
)
def test_what_was_prepared_in_a_database_without_tables_is_not_lost(
    server15: Server, context_of: Callable[..., Context], prepared: str
) -> None:
    """Found by hand: to the first deploy it was empty, and its way back a new one."""
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    as_superuser = server15.superuser(context.database.target.database)
    with (context.database if "DROP" in prepared else as_superuser).session() as session:
        session.script(prepared.replace("DEFAULT PRIVILEGES", "DEFAULT PRIVILEGES FOR ROLE app_owner"))
    with context.database.session() as session:
        before = catalog.read(session).fingerprint
    write_migration(context, "1_init", "CREATE TABLE z (a int); INSERT INTO z VALUES (1); VACUUM z;")
    write_migration(context, "2_bad", "SELECT 1/0;")
    with pytest.raises((MigrationFailed, NeedsAttention)) as caught:
        deploy(context)
    with context.database.session() as session:
        now = catalog.read(session, frozenset({("public", "z"), ("public", "_prisma_migrations")})).fingerprint
    assert now == before
    assert isinstance(caught.value, MigrationFailed) == ("COMMENT" not in prepared)  # that can be told too late only
    if isinstance(caught.value, NeedsAttention):
        assert "--accept-data-loss" in (caught.value.hint or "")
        run = caught.value.details["result"].run_id
        assert way_of(rollback(context, run_id=run, accept_data_loss=True)) == ("swap", False)


def test_a_schema_made_ready_for_the_first_deploy_keeps_it_one_transaction(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    with server15.superuser(context.database.target.database).session() as session:
        session.execute("ALTER SCHEMA public OWNER TO app_owner")
    write_migration(context, "1_init", "CREATE TABLE z (a int);")
    write_migration(context, "2_index", "CREATE INDEX CONCURRENTLY i ON z (a);")
    result = deploy(context)
    assert (result.atomic, bool(result.backup_id)) == (True, True)


def test_names_are_the_same_however_the_database_has_them_quoted(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"))
    change(context, f"ALTER DATABASE {identifier(context.database.target.database)} SET quote_all_identifiers = on")
    write_migration(context, "1_init", USERS)
    deploy(context)
    change(context, ROWS)
    write_migration(context, "2_loses", "TRUNCATE old_logs; CREATE TABLE z (a int);", "DROP TABLE z;")
    deploy(context)
    assert way_of(rollback(context)) == ("swap", True)
    assert rows(context, "SELECT count(*), max(t) FROM old_logs") == [(7, "x")]


def test_a_table_that_down_sql_fills_again_is_believed(seeded: Context) -> None:
    down = "CREATE TABLE old_logs (id int, t text); INSERT INTO old_logs SELECT g, 'x' FROM generate_series(1, 7) g;"
    write_migration(seeded, "2_drop", "DROP TABLE old_logs;", down)
    deploy(seeded)
    assert way_of(rollback(seeded)) == ("down", True)
    assert rows(seeded, "SELECT count(*) FROM old_logs") == [(7,)]


def test_additions_are_undone_by_inverses_even_if_down_sql_would_lose_rows(seeded: Context) -> None:
    write_migration(
        seeded,
        "2_add",
        "ALTER TABLE users ADD COLUMN age int; ALTER TABLE old_logs RENAME TO logs;",
        "ALTER TABLE users DROP COLUMN age; DROP TABLE logs; CREATE TABLE old_logs (id int, t text);",
    )
    deploy(seeded)
    assert way_of(rollback(seeded)) == ("down", True)
    assert rows(seeded, "SELECT count(*) FROM old_logs") == [(7,)]


def test_a_journal_that_says_nothing_of_locks_makes_every_table_be_compared(seeded: Context) -> None:
    write_migration(seeded, "2_drop", "TRUNCATE old_logs; CREATE TABLE z (a int);", "DROP TABLE z;")
    run_id = deploy(seeded).run_id
    (path,) = Path(seeded.environment.backup_dir).glob(f".locktender/*/journal/{run_id}.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert any(line.pop("locked", None) for line in lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert way_of(rollback(seeded)) == ("swap", True)


@pytest.mark.campaign  # PostgreSQL takes ten seconds to count what an idle session did
def test_counts_that_come_late_are_waited_for(seeded: Context) -> None:
    write_migration(seeded, "2_new", "CREATE TABLE orders (a int);")
    deploy(seeded)
    with seeded.database.session(purpose="application") as busy:
        busy.rows("SELECT pg_stat_force_next_flush()")
        busy.rows("SELECT 1")
        for _ in range(5):
            busy.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(DataWouldBeLost, match=r"5 rows in public\.orders"):
            rollback(seeded)
    assert rows(seeded, "SELECT count(*) FROM orders") == [(5,)]


def test_sessions_at_work_may_have_written(seeded: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for them comes to nothing; the swap ends them, and then it is certain."""
    monkeypatch.setattr(downs, "LAG", 0.2)
    write_migration(seeded, "2_new", "CREATE TABLE orders (a int);")
    deploy(seeded)
    with seeded.database.session(purpose="application") as busy:
        busy.execute("BEGIN")
        busy.rows("SELECT 1")
        assert way_of(rollback(seeded)) == ("swap", True)


@pytest.mark.parametrize("filled", [False, True])
def test_rows_that_others_put_into_what_a_failed_run_had_added_are_kept(seeded: Context, filled: bool) -> None:
    added = "CREATE TABLE audit AS SELECT id FROM users" if filled else "CREATE TABLE audit (id int)"
    write_migration(seeded, "2_new", f"{added};")
    write_migration(seeded, "3_bad", BAD)
    write = "INSERT INTO audit VALUES (1), (2)" + ("; DELETE FROM audit WHERE id IN (3, 4)" if filled else "")
    with pytest.raises(DataWouldBeLost, match=r"rows in public\.audit") as caught:
        deploy(when(seeded, "putting back", lambda: change(seeded, write)))
    assert "resolve 3_bad --rolled-back" in str(caught.value.hint)
    assert "a part of 3_bad" in caught.value.message
    assert rows(seeded, "SELECT count(*) > 1 FROM audit") == [(True,)]


def test_rows_that_a_failed_run_had_put_there_itself_go_with_it(seeded: Context) -> None:
    write_migration(seeded, "2_new", "CREATE TABLE audit AS SELECT id FROM users;")
    write_migration(seeded, "3_bad", BAD)
    assert way_of_failure(when(seeded, "putting back", lambda: change(seeded, ROWS.split(";")[1]))) == ("down", True)
    assert rows(seeded, "SELECT to_regclass('audit')::text, (SELECT count(*) FROM old_logs)") == [(None, 14)]


def test_the_history_goes_with_the_first_run_though_that_had_changed_the_current_schema(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server15.url(server15.create()))
    write_migration(context, "1_init", "CREATE SCHEMA app_owner; CREATE TABLE app_owner.t (a int);")
    deploy(context)
    assert way_of(rollback(context)) == ("down", True)
    assert rows(context, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'app_owner')") == [(0,)]


def test_what_others_change_during_a_concurrent_build_is_not_taken_for_ours(
    seeded: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncounted, "LAG", 0.2)  # who holds it up ends no sooner for being waited for
    write_migration(seeded, "2_index", "CREATE INDEX CONCURRENTLY i ON users (id);\nUPDATE users SET nick = 1/0;")
    other = "CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    with pytest.raises(DataWouldBeLost):
        deploy(when_building(seeded, other))
    assert rows(seeded, "SELECT theirs()") == [(1,)]
    (run,) = [record for record in records(seeded) if record.last("outside")]
    assert counted_since([run], run.run_id).counters is not None
    assert (run.last("outside") or {})["own"] == Counters().to_json(), "none of it counts as ours"


@pytest.mark.parametrize("later", [False, True])
def test_a_concurrent_build_beside_those_who_only_read_can_be_put_back_whole(
    seeded: Context, server15: Server, later: bool
) -> None:
    """The application asks all the time, and somebody who measures keeps a session whose state we may not see."""
    name, over = f"measuring_{seeded.database.target.database}", Event()
    boss = server15.superuser(seeded.database.target.database)
    with boss.session() as session:
        session.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
        session.script(f"REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON users TO {name}")

    def read() -> None:
        with suppress(ConnectionLost), seeded.database.session(purpose="application") as session:
            while not over.wait(0.1):  # until the swap ends it
                session.rows("SELECT count(*) FROM users")

    url = server15.url(seeded.database.target.database, name, Secret("x"))
    context = replace(seeded, environment=replace(seeded.environment, strategy="online"))
    write_migration(context, "2_rows", "UPDATE users SET nick = 'changed';")
    write_migration(context, "3_index", f"CREATE INDEX CONCURRENTLY i ON users (id);{'' if later else ' SELECT 1/0;'}")
    reader = Thread(target=read)
    reader.start()
    try:
        if later:
            with PostgresDatabase(parse_database_url(url)).session(purpose="exporter") as exporter:
                exporter.rows("SELECT count(*) FROM users")
                deploy(context)
            assert way_of(rollback(context)) == ("swap", True)
        else:
            assert way_of_failure(context) == ("swap", True)
    finally:
        over.set()
        reader.join()
    assert rows(seeded, "SELECT count(*) FROM users WHERE nick = 'changed'") == [(0,)]


def when_building(context: Context, script: str) -> Context:
    """Runs a script while a concurrent build of ours waits for a transaction that holds users."""
    return when(context, "applying", lambda: Thread(target=_hold_up, args=(context, script)).start())


def _hold_up(context: Context, script: str) -> None:
    with context.database.session(purpose="holder") as holder, holder.transaction():
        holder.rows("SELECT count(*) FROM users")
        holder.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        while not rows(context, "SELECT FROM pg_locks WHERE NOT granted"):
            context.clock.sleep(0.01)
        change(context, script)


def test_an_index_that_others_are_building_is_not_dropped(seeded: Context) -> None:
    statement = "CREATE INDEX CONCURRENTLY theirs ON users (nick)"
    builder = Thread(target=change, args=(seeded, statement))
    with seeded.database.session(purpose="ours") as ours:
        before = Outside.read(ours)
        with seeded.database.session(purpose="holder") as holder, holder.transaction():
            holder.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
            builder.start()
            while Outside.read(ours).invalid == before.invalid:
                seeded.clock.sleep(0.01)
            assert drop_new_invalid_indexes(ours, before) == ()
            assert drop_new_invalid_indexes(ours, before, statement) == ()
        builder.join()
    assert rows(seeded, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'theirs'::regclass") == [(True,)]


def test_only_what_the_statement_left_half_built_is_dropped(seeded: Context) -> None:
    with seeded.database.session(purpose="ours") as ours:
        before = Outside.read(ours)
        for name in ("ours", "theirs"):
            with pytest.raises(LocktenderError):
                ours.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON old_logs (t)")
        statement = "CREATE UNIQUE INDEX CONCURRENTLY ours ON old_logs (t)"
        assert drop_new_invalid_indexes(ours, before, statement) == ('"public"."ours"',)
        assert ours.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == [("theirs",)]


@pytest.mark.parametrize(
    ("statement", "index", "covered"),
    [
        ("CREATE INDEX CONCURRENTLY i ON s.t (a)", Index("s", "i", "t"), True),
        ("CREATE INDEX CONCURRENTLY i ON s.t (a)", Index("s", "j", "t"), False),
        ("CREATE INDEX CONCURRENTLY i ON s.t (a)", Index("r", "i", "t"), False),
        ("CREATE INDEX CONCURRENTLY ON t (a)", Index("s", "t_a_idx", "t"), True),
        ("CREATE INDEX CONCURRENTLY ON t (a)", Index("s", "u_a_idx", "u"), False),
        ("DROP INDEX CONCURRENTLY s.i", Index("s", "i", "t"), True),
        ("REINDEX INDEX CONCURRENTLY i", Index("s", "i_ccnew1", "t"), True),
        ("REINDEX INDEX CONCURRENTLY i", Index("s", "j_ccnew", "t"), False),
        ("REINDEX TABLE CONCURRENTLY t", Index("s", "i_ccold", "t"), True),
        ("REINDEX TABLE CONCURRENTLY t", Index("s", "i", "t"), False),
        ("REINDEX SCHEMA CONCURRENTLY s", Index("s", "i_ccnew", "t"), True),
        ("VACUUM t", Index("s", "i", "t"), False),
        (f"CREATE INDEX {'x' * 70} ON t (a)", Index("s", "x" * 63, "t"), True),
    ],
)
def test_which_indexes_a_statement_works_on(statement: str, index: Index, covered: bool) -> None:
    assert index_work(statement).covers(index) is covered


def test_names_are_read_as_sql_writes_them() -> None:
    assert name_parts('"A""b".c') == ('A"b', "c")
    assert name_parts("Public.T") == ("public", "t")
    assert [name_parts(text) for text in ("", "a.", "a b", '"a')] == [None] * 4


def test_names_in_schemas_that_the_role_may_not_use_stop_nothing(seeded: Context, server15: Server) -> None:
    with server15.superuser(seeded.database.target.database).session() as session:
        session.script("CREATE SCHEMA closed; CREATE TABLE closed.t (a int); CREATE INDEX i ON closed.t (a)")
        session.script("GRANT USAGE ON SCHEMA closed TO app_owner; GRANT SELECT ON closed.t TO app_owner")
        with seeded.database.session(purpose="holder") as holder, holder.transaction():
            holder.rows("SELECT * FROM closed.t")
            session.execute("REVOKE USAGE ON SCHEMA closed FROM app_owner")
            with seeded.database.session() as asking:
                (blocker,) = holding(asking, ('"closed"."t"', "not a name", "nowhere.t"), older_than=0)
                assert blocker.pid == holder.pid
                (statement,) = read_script("m", "DROP INDEX CONCURRENTLY closed.i").statements or ()
                assert "INDEX i ON closed.t" in str(recreate_dropped_indexes(asking, statement))
