"""Deploys on real servers: the new state, or the old one, and which."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from operations import catalog
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import FAST, ThrowawayServer, embedded_binaries
from operations.apply import apply
from operations.context import Context
from operations.database_url import parse_database_url
from operations.deploy import deploy
from operations.errors import (
    DataWouldBeLost,
    HistoryConflict,
    LockHeld,
    MigrationFailed,
    MigrationFilesError,
    NeedsAttention,
    PrivilegeMissing,
)
from operations.journal import records
from operations.outcome import DeployResult
from operations.ports import Progress
from operations.quoting import identifier, literal
from operations.rollback import rollback
from operations.secret import Secret
from operations.settings import Preflight
from operations.status import status

from .conftest import Server
from .folders import write_migration

SHOP = (
    'CREATE TABLE "Product" (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL);\n'
    "INSERT INTO \"Product\" SELECT i, 'p' || i, i FROM generate_series(1, 1000) i;\n"
)
CONCURRENT = 'CREATE INDEX CONCURRENTLY "Product_price" ON "Product" (price);'


def state(context: Context) -> tuple[str, list[tuple[object, ...]]]:
    """Schema and rows, as an application would find them."""
    with context.database.session() as session:
        tables = session.rows(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        rows = [
            (name, *session.rows(f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t")[0])
            for (name,) in tables
        ]
        return catalog.read(session).fingerprint, rows


def unwarned(context: Context) -> Context:
    """The same context; what existing rows would make fail is not told beforehand."""
    return replace(context, environment=replace(context.environment, preflight=Preflight(mode="off")))


def result_of(error: BaseException) -> DeployResult:
    result = error.details["result"]  # type: ignore[attr-defined]
    assert isinstance(result, DeployResult)
    return result


def test_first_deploy_then_nothing_to_do(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    first = deploy(context)
    assert (first.outcome, first.applied, first.atomic) == ("deployed", ("1_init", "2_more"), True)
    assert first.backup_id is None
    assert [step.name for step in first.steps] == ["prepare", "wait", "restore_point", "apply", "check"]
    assert status(context).applied == ("1_init", "2_more")
    assert deploy(context).outcome == "nothing_to_do"


def test_second_deploy_has_a_verified_backup_to_return_to(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    assert deploy(context).backup_id is not None


def test_an_atomic_deploy_that_fails_leaves_nothing(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_fine", 'ALTER TABLE "Product" ADD COLUMN note text;')
    write_migration(context, "3_bad", 'UPDATE "Product" SET price = 0;\nALTER TABLE "Product"\n  ADD COLUMN note text;')
    with pytest.raises(MigrationFailed, match=r"3_bad/migration\.sql:2:1: .*already exists \(42701\)") as caught:
        deploy(context)
    assert caught.value.exit_code == 3
    assert caught.value.prisma_code == "P3018"
    result = result_of(caught.value)
    assert (result.outcome, result.applied) == ("rolled_back", ())
    assert result.rollback is not None
    assert (result.rollback.method, result.rollback.lossless) == ("transaction", True)
    assert state(context) == before
    assert status(context).pending == ("2_fine", "3_bad")


def test_what_a_script_does_wrong_is_not_said_of_the_history(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    write_migration(context, "2_bad", 'SELECT 1;\nUPDATE "Product" SET nowhere = 1; -- not as Prisma makes it, either')
    with pytest.raises(MigrationFailed, match=r'2_bad/migration\.sql:2:\d+: column "nowhere" .*\(42703\)'):
        deploy(context)


def test_what_is_wrong_with_the_history_is_not_said_of_the_script(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_refuses", "ALTER TABLE _prisma_migrations ADD CHECK (migration_name <> '3_fine');")
    write_migration(context, "3_fine", "SELECT 1; SELECT 2; -- nothing wrong")
    with pytest.raises(MigrationFailed, match=r"^new row .* violates .*\(23514\)") as caught:
        deploy(context)
    assert not caught.value.details.get("migration")
    assert state(context) == before


def test_concurrent_index_is_applied_with_its_neighbours(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_index", CONCURRENT + '\nALTER TABLE "Product" ADD COLUMN note text;')
    result = deploy(context)
    assert (result.outcome, result.atomic) == ("deployed", False)
    with context.database.session() as session:
        assert session.rows("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
        assert session.rows("SELECT applied_steps_count FROM _prisma_migrations") == [(1,), (1,)]


def test_a_concurrent_index_that_fails_is_undone_with_what_came_before(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_column", 'ALTER TABLE "Product" ADD COLUMN note text;')
    write_migration(
        context,
        "3_unique",
        'ALTER TABLE "Product" ADD COLUMN tag text;\nCREATE UNIQUE INDEX CONCURRENTLY i ON "Product" ((price / 2));',
    )
    with pytest.raises(MigrationFailed, match=r"3_unique/migration\.sql:2") as caught:
        deploy(unwarned(context))
    result = result_of(caught.value)
    assert result.rollback is not None
    assert (result.rollback.method, result.rollback.lossless) == ("down", True)
    assert state(context) == before


def test_rows_changed_on_the_way_come_back_by_swap(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(
        context,
        "2_half",
        'UPDATE "Product" SET price = 0;\nCREATE UNIQUE INDEX CONCURRENTLY twice ON "Product" (price);',
    )
    with pytest.raises(MigrationFailed) as caught:
        deploy(context)
    result = result_of(caught.value)
    assert result.rollback is not None
    assert (result.rollback.method, result.rollback.lossless) == ("swap", True)
    assert state(context) == before
    with context.database.session() as session:
        kept = (result.rollback.kept_database,)
        assert session.rows("SELECT count(*) FROM pg_database WHERE datname = %s", kept) == [(1,)]


def test_a_failure_half_way_is_left_to_a_person_if_others_wrote_meanwhile(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(
        context,
        "2_half",
        'UPDATE "Product" SET price = 0;\nCREATE UNIQUE INDEX CONCURRENTLY twice ON "Product" (price);',
    )

    def write(_: object) -> None:
        if not written:
            with context.database.session(purpose="application") as session:
                session.execute("INSERT INTO \"Product\" VALUES (-1, 'by the app', 7)")
        written.append(True)

    written: list[bool] = []
    watched = replace(context, report=lambda progress: write(progress) if "applying" in progress.label else None)
    with pytest.raises(DataWouldBeLost, match="Product") as caught:
        deploy(watched)
    assert caught.value.exit_code == 4
    assert "rollback --run" in str(caught.value.hint)
    assert result_of(caught.value).outcome == "needs_attention"
    with context.database.session() as session:
        assert session.rows('SELECT name FROM "Product" WHERE id = -1') == [("by the app",)]
    with pytest.raises(HistoryConflict) as refused:
        deploy(context)
    assert refused.value.prisma_code == "P3009"
    run_id = result_of(caught.value).run_id
    undone = rollback(context, run_id=run_id, accept_data_loss=True)
    assert undone.rollback is not None
    assert (undone.rollback.method, undone.rollback.lossless) == ("swap", False)
    with context.database.session() as session:
        assert session.rows('SELECT sum(price) FROM "Product"') == [(500500,)]


def test_what_others_wrote_meanwhile_stays_where_only_additions_are_undone(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_column", 'ALTER TABLE "Product" ADD COLUMN note text;')
    write_migration(context, "3_unique", 'CREATE UNIQUE INDEX CONCURRENTLY i ON "Product" ((price / 2));')
    written: list[int] = []

    def write(progress: Progress) -> None:
        if "applying" in progress.label:
            with context.database.session(purpose="application") as session:
                session.execute('INSERT INTO "Product" VALUES (%s, %s, 7)', (-len(written), "by the app"))
            written.append(1)

    with pytest.raises(MigrationFailed) as caught:
        deploy(replace(unwarned(context), report=write))
    result = result_of(caught.value)
    assert result.rollback is not None
    assert (result.rollback.method, result.rollback.lossless) == ("down", True)
    with context.database.session() as session:
        assert session.rows("SELECT count(*) FROM \"Product\" WHERE name = 'by the app'") == [(len(written),)]
    assert status(context).pending == ("2_column", "3_unique")


def test_an_enum_value_used_in_a_later_file_goes_file_by_file(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (m mood);")
    deploy(context)
    write_migration(context, "2_value", "ALTER TYPE mood ADD VALUE 'fine';")
    write_migration(context, "3_use", "INSERT INTO t VALUES ('fine');")
    result = deploy(context)
    assert (result.outcome, result.atomic) == ("deployed", False)
    assert any("55P04" in note for note in result.notes)


TABLES = "DO $$ BEGIN FOR i IN 1..{number} LOOP EXECUTE 'CREATE TABLE {name}_' || i || ' ()'; END LOOP; END $$;"


def test_more_migrations_than_the_server_has_locks_for_go_in_several_transactions(
    context_of: Callable[..., Context],
) -> None:
    few = {"max_connections": "20", "max_locks_per_transaction": "10", "max_wal_senders": "0"}
    with ThrowawayServer(binaries=embedded_binaries(), settings={**FAST, **few}) as server:
        context = context_of(server.url("postgres"))
        write_migration(context, "1_tables", TABLES.format(number=1500, name="t"))
        with pytest.raises(MigrationFailed, match="max_locks_per_transaction"):
            deploy(context)  # what is too much by itself
        names = tuple(f"{number}_tables" for number in range(1, 6))
        for name in names:
            write_migration(context, name, TABLES.format(number=150, name=f"t{name[0]}"))
        result = deploy(context)
        assert (result.outcome, result.applied, result.atomic) == ("deployed", names, False)
        assert any("cannot share a transaction" in note and "53200" in note for note in result.notes)


def test_what_comes_before_a_use_of_a_new_enum_value_is_run_once(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TYPE m AS ENUM ('ok'); CREATE TABLE t (m m); CREATE SEQUENCE runs;")
    deploy(context)
    write_migration(context, "2_value", "ALTER TYPE m ADD VALUE 'fine';")
    write_migration(context, "3_once", "INSERT INTO t VALUES ('ok'); SELECT nextval('runs');")
    write_migration(context, "4_use", "UPDATE t SET m = 'ok'; INSERT INTO t VALUES ('fine');")
    write_migration(context, "5_more", "INSERT INTO t VALUES ('ok');")
    result = deploy(context)
    assert result.applied == ("2_value", "3_once", "4_use", "5_more")
    assert next(note for note in result.notes if "55P04" in note).startswith("4_use cannot share")
    with context.database.session() as session:
        assert session.rows("SELECT last_value FROM runs") == [(1,)]
        assert session.rows("SELECT count(*) FROM t") == [(3,)]
    rollback(context)  # without accept_data_loss: all that was written is known to be ours
    assert status(context).pending == result.applied


def test_a_file_that_follows_a_commit_and_fails_by_itself_is_the_one_that_is_blamed(context: Context) -> None:
    write_migration(
        context,
        "1_init",
        "CREATE TYPE e AS ENUM ('a'); CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);\n"
        "CREATE TABLE t (s e, n int, p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO t VALUES ('a', 1, 1);",
    )
    deploy(context)
    before = state(context)
    write_migration(context, "2_add", "ALTER TYPE e ADD VALUE IF NOT EXISTS 'x'; UPDATE t SET n = n * 2;")
    write_migration(
        context, "3_use", "UPDATE t SET s = 'x'; INSERT INTO t VALUES ('x', 1, 1); ALTER TABLE t ADD z int;"
    )
    with pytest.raises(MigrationFailed, match="pending trigger events") as caught:
        deploy(context)
    assert (caught.value.details["migration"], caught.value.details["sqlstate"]) == ("3_use", "55006")
    assert state(context) == before


def test_settings_of_one_file_do_not_reach_the_next(context: Context) -> None:
    write_migration(context, "1_path", "CREATE SCHEMA other; SET search_path = other; CREATE TABLE here (a int);")
    write_migration(context, "2_next", "CREATE TABLE there (a int);")
    deploy(context)
    with context.database.session() as session:
        assert session.rows("SELECT to_regclass('other.here') IS NULL, to_regclass('public.there') IS NULL") == [
            (False, False)
        ]
        assert session.rows("SELECT to_regclass('public._prisma_migrations') IS NULL") == [(False,)]


def test_a_foreign_schema_wants_a_baseline(context: Context) -> None:
    with context.database.session() as session:
        session.script(SHOP)
    write_migration(context, "1_init", SHOP)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    with pytest.raises(HistoryConflict) as caught:
        deploy(context)
    assert caught.value.prisma_code == "P3005"
    result = apply(context, baseline="1_init")
    assert result.applied == ("2_more",)
    assert status(context).applied == ("1_init", "2_more")


def test_apply_stops_at_the_named_migration(context: Context) -> None:
    for number in range(1, 5):
        write_migration(context, f"{number}_t", f"CREATE TABLE t{number} (a int);")
    assert apply(context, to="2_t").applied == ("1_t", "2_t")
    assert apply(context, to="3_t").applied == ("3_t",)
    assert status(context).pending == ("4_t",)


def test_dry_run_changes_nothing_and_shows_the_plan(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    before = state(context)
    planned = deploy(context, dry_run=True)
    assert planned.outcome == "planned"
    assert planned.plan is not None
    assert [m.name for m in planned.plan.migrations] == ["1_init"]
    assert planned.plan.digest == deploy(context, dry_run=True).plan.digest  # type: ignore[union-attr]
    assert state(context) == before
    assert records(context) == ()


def test_edited_and_missing_files_are_refused(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "1_init", SHOP + "-- edited\n")
    write_migration(context, "2_more", "CREATE TABLE t (a int);")
    with pytest.raises(HistoryConflict, match="1_init"):
        deploy(context)
    relaxed = replace(context, environment=replace(context.environment, allow_edited=True))
    assert deploy(relaxed).applied == ("2_more",)
    write_migration(context, "3_empty", "")
    (sql,) = [f"{context.environment.migrations}/3_empty/migration.sql"]
    context.host.remove(sql)
    with pytest.raises(MigrationFilesError) as caught:
        deploy(relaxed)
    assert caught.value.prisma_code == "P3015"


def test_prismas_lock_keeps_us_out_and_its_holder_is_named(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    hurried = replace(context, environment=replace(context.environment, advisory_lock_timeout=0.3))
    with context.database.session(purpose="someone else") as holder:
        holder.execute("SELECT pg_advisory_lock(72707369)")
        with pytest.raises(LockHeld, match=f"pid {holder.pid}") as caught:
            deploy(hurried)
        assert caught.value.prisma_code == "P1002"
    assert deploy(context).outcome == "deployed"


def test_a_blocked_migration_gives_up_in_time_and_names_the_blocker(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    hurried = replace(context, environment=replace(context.environment, lock_timeout=0.4, attempts=2))
    with context.database.session(purpose="a report") as report, report.transaction():
        report.rows('SELECT count(*) FROM "Product"')
        report.rows("SELECT pg_sleep(1.1)")
        assert [b.pid for b in deploy(hurried, dry_run=True).blockers] == [report.pid]
        with pytest.raises(MigrationFailed, match=rf"pid {report.pid} \(app_owner, locktender a report\)") as caught:
            deploy(hurried)
        assert caught.value.details["sqlstate"] == "55P03"
    assert state(context) == before
    assert deploy(context).outcome == "deployed"


def test_what_is_not_the_files_fault_is_no_reason_to_change_the_file(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TABLE t (a int); SELECT pg_read_file('postgresql.conf');")
    with pytest.raises(MigrationFailed) as caught:
        deploy(context)
    assert (caught.value.details["sqlstate"], "must stay as it is" in (caught.value.hint or "")) == ("42501", True)


def test_rollback_undoes_the_last_deploy_by_down_sql(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(
        context,
        "2_double",
        'ALTER TABLE "Product" ADD COLUMN gross int; UPDATE "Product" SET gross = price * 2;'
        ' UPDATE "Product" SET price = price + 1;',
        down='UPDATE "Product" SET price = price - 1; ALTER TABLE "Product" DROP COLUMN gross;',
    )
    deploy(context)
    assert state(context) != before
    undone = rollback(context)
    assert undone.outcome == "rolled_back"
    assert undone.rollback is not None
    assert (undone.rollback.method, undone.rollback.lossless) == ("down", True)
    assert state(context) == before
    assert status(context).pending == ("2_double",)


def test_a_down_sql_that_does_not_bring_the_rows_back_is_not_believed(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_zero", 'UPDATE "Product" SET price = 0;', down="SELECT 1;")
    deploy(context)
    undone = rollback(context)
    assert undone.rollback is not None
    assert undone.rollback.method == "swap"
    assert state(context) == before


def test_rollback_keeps_rows_written_since_unless_told_otherwise(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_zero", 'UPDATE "Product" SET price = 0;')
    deploy(context)
    with context.database.session(purpose="application") as session:
        session.execute("INSERT INTO \"Product\" VALUES (-1, 'later', 7)")
    with pytest.raises(DataWouldBeLost, match=r'1 row in public\."Product"') as caught:
        rollback(context)
    assert "--accept-data-loss" in str(caught.value.hint)
    undone = rollback(context, accept_data_loss=True)
    assert undone.rollback is not None
    assert undone.rollback.kept_database is not None
    with context.database.session(undone.rollback.kept_database) as session:
        assert session.rows('SELECT name FROM "Product" WHERE id = -1') == [("later",)]


def test_rollback_to_before_a_named_run_undoes_all_since(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_a", 'ALTER TABLE "Product" ADD COLUMN a int;')
    second = deploy(context)
    write_migration(context, "3_b", 'CREATE TABLE b (a int); CREATE INDEX ON "Product" (a);')
    deploy(context)
    undone = rollback(context, run_id=second.run_id)
    assert undone.rollback is not None
    assert state(context) == before
    assert status(context).pending == ("2_a", "3_b")


def test_the_first_deploy_can_be_rolled_back_to_an_empty_database(context: Context) -> None:
    before = state(context)
    write_migration(context, "1_init", SHOP)
    deploy(context)
    rollback(context)
    assert state(context) == before


def test_a_role_that_cannot_restore_is_told_before_a_deploy_that_may_need_it(context: Context, server: object) -> None:
    write_migration(context, "1_vacuum", "CREATE TABLE t (a int);\nVACUUM t;")
    with server.superuser().session() as session:  # type: ignore[attr-defined]
        session.execute("ALTER ROLE app_owner NOCREATEDB")
    try:
        with pytest.raises(PrivilegeMissing, match="create databases") as caught:
            deploy(context)
        assert caught.value.exit_code == 5
    finally:
        with server.superuser().session() as session:  # type: ignore[attr-defined]
            session.execute("ALTER ROLE app_owner CREATEDB")


def test_needs_attention_is_exit_code_four() -> None:
    assert issubclass(DataWouldBeLost, NeedsAttention)
    assert DataWouldBeLost.exit_code == 4


def test_a_file_that_commits_half_of_itself_never_claims_the_old_state(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_half", "BEGIN; CREATE TABLE a (); COMMIT AND CHAIN; SELECT 1/0; COMMIT;")
    with pytest.raises(NeedsAttention) as caught:
        deploy(context)
    assert result_of(caught.value).outcome == "needs_attention"
    assert status(context).failed == ("2_half",)


def test_a_file_that_commits_by_itself_and_fails_at_once_leaves_the_old_state(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    before = state(context)
    write_migration(context, "2_half", "SELECT 1/0; COMMIT; CREATE TABLE a ();")
    with pytest.raises(MigrationFailed) as caught:
        deploy(context)
    assert result_of(caught.value).outcome == "rolled_back"
    assert state(context) == before


def test_syntax_that_is_not_known_is_tried_in_a_transaction(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TABLE t (a int);\nCREATE TABEL u (a int);")
    with pytest.raises(MigrationFailed, match=r"1_init/migration\.sql:2:8: syntax error") as caught:
        deploy(context)
    assert result_of(caught.value).outcome == "rolled_back"
    assert status(context).has_table is False


def test_a_prepared_transaction_in_the_way_is_named_and_how_it_is_ended(server: Server, context: Context) -> None:
    """It belongs to no session, so nobody sees it in pg_stat_activity: it can be forgotten for months."""
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    context = replace(context, environment=replace(context.environment, lock_timeout=0.8, attempts=1))
    gid = f"it's {context.database.target.database}"
    with context.database.session() as session:
        session.script('BEGIN; UPDATE "Product" SET price = 2 WHERE id = 1')
        session.script(f"PREPARE TRANSACTION {literal(gid)}")
    try:
        while not (named := deploy(context, dry_run=True).blockers):  # what is younger is not worth a warning
            time.sleep(0.1)
        (blocker,) = named
        with pytest.raises(MigrationFailed, match="prepared transaction") as caught:
            deploy(context)
        for told in (str(blocker), caught.value.message):
            assert f"ROLLBACK PREPARED {literal(gid)}" in told
    finally:
        with context.database.session() as session:
            session.execute(f"ROLLBACK PREPARED {literal(gid)}")
    assert deploy(context).outcome == "deployed"


def test_a_migration_that_landed_late_is_applied_and_said_to_be_late(context: Context) -> None:
    write_migration(context, "1_init", SHOP)
    write_migration(context, "3_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    deploy(context)
    write_migration(context, "2_late", 'ALTER TABLE "Product" ADD COLUMN tag text;')
    done = deploy(context)
    assert (done.outcome, done.applied) == ("deployed", ("2_late",))
    assert "Landed behind migrations that are applied already: 2_late." in done.notes


def test_a_role_that_may_only_read_is_told_so_before_anything_is_done(context: Context, server: Server) -> None:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_more", 'ALTER TABLE "Product" ADD COLUMN note text;')
    before, name = state(context), f"reader_{context.database.target.database}"
    with server.superuser(context.database.target.database).session() as session:
        session.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE pg_read_all_data")
    url = server.url(context.database.target.database, user=name, password=Secret("x"))
    reader = replace(
        context,
        environment=replace(context.environment, database_url=url),
        database=PostgresDatabase(parse_database_url(url)),
    )
    assert status(reader).pending == ("2_more",)
    with pytest.raises(PrivilegeMissing, match="may not create tables") as caught:
        deploy(reader)
    assert caught.value.exit_code == 5
    with context.database.session() as session:
        session.execute(
            f"ALTER ROLE app_owner IN DATABASE {identifier(context.database.target.database)}"
            " SET default_transaction_read_only TO on"
        )
    with pytest.raises(PrivilegeMissing, match="read-only here"):
        deploy(context)
    assert state(context) == before
