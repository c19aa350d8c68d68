"""What migrations do that no ROLLBACK takes back: locks let go of, prepared transactions, sequences, databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations.apply import apply
from operations.context import Context
from operations.deploy import deploy
from operations.errors import HistoryConflict, LockHeld, MigrationFailed, NeedsAttention, OperationFailed, Refused
from operations.migrations.formats import FORMATS
from operations.ports import Session
from operations.quoting import identifier, literal
from operations.resolve import resolve
from operations.restore import restore
from operations.rollback import rollback
from operations.settings import Backups
from operations.status import status

from .conftest import Server
from .folders import write_migration
from .holding import is_held
from .test_deploy import SHOP, result_of, state
from .test_settling import forked, kill_asleep

KEY = FORMATS[0].lock_id
OURS = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {KEY} AND pid = pg_backend_pid()"
UNTIL = "DO $$ BEGIN WHILE NOT EXISTS ({}) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$;"
TAKEN = f"SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {KEY} AND granted"
FREES = "SELECT pg_advisory_unlock_all();"
CONCURRENT = 'CREATE INDEX CONCURRENTLY i ON "Product" (price);'


@pytest.fixture
def shop(context: Context) -> Context:
    """With one migration applied, and each file in a transaction of its own."""
    return opened(context)


@pytest.fixture
def shop15(server15: Server, context_of: Callable[..., Context]) -> Context:
    """The same on the older server alone."""
    return opened(context_of(server15.url(server15.create())))


def opened(context: Context) -> Context:
    write_migration(context, "1_init", SHOP)
    deploy(context)
    quick = Backups(test_restore="never")
    return replace(context, environment=replace(context.environment, transactions="file", backups=quick))


@contextmanager
def beside(act: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
    assert not thread.is_alive()


def take(session: Session) -> None:
    """The migration lock, once the file has let go of it."""
    at_work = (
        "SELECT FROM pg_stat_activity WHERE state = 'active' AND starts_with(query, %s) AND pid <> pg_backend_pid()"
    )
    while not session.rows(at_work, (FREES,)):
        time.sleep(0.01)
    while not session.rows("SELECT pg_try_advisory_lock(%s)", (KEY,))[0][0]:
        time.sleep(0.01)


def prepared(context: Context) -> list[tuple[object, ...]]:
    with context.database.session() as session:
        return session.rows("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")


@pytest.mark.parametrize(
    "frees",
    [
        FREES,
        "DISCARD ALL;",
        f"BEGIN; {FREES} COMMIT; CREATE TABLE other (a int);",
        f"CREATE INDEX CONCURRENTLY i ON \"Product\" (price); {FREES}",
    ],
)  # fmt: skip
def test_a_file_that_lets_go_of_the_migration_lock_is_followed_by_others_under_it(frees: str, shop15: Context) -> None:
    write_migration(shop15, "2_frees", frees)
    write_migration(shop15, "3_looks", f"CREATE TABLE held AS {OURS};")
    result = deploy(shop15)
    assert (result.outcome, result.applied) == ("deployed", ("2_frees", "3_looks"))
    assert any("let go of the migration lock" in note for note in result.notes)
    with shop15.database.session() as session:
        assert session.rows("SELECT * FROM held") == [(1,)]
        assert not is_held(session, KEY)


def test_who_took_the_lock_that_a_file_let_go_of_stops_it_before_its_commit(shop: Context) -> None:
    before = state(shop)
    write_migration(shop, "2_frees", f"{FREES} {UNTIL.format(TAKEN)} CREATE TABLE half (a int);")
    with shop.database.session(purpose="other") as other:
        with beside(lambda: take(other)), pytest.raises(LockHeld, match=r"let go of .*The old state stands") as caught:
            deploy(shop)
        assert f"pid {other.pid}" in caught.value.message
        assert state(shop) == before
        assert status(shop).pending == ("2_frees",)
    assert (caught.value.exit_code, result_of(caught.value).outcome) == (5, "rolled_back")


def test_who_used_the_lock_that_a_file_let_go_of_is_found_out(shop: Context) -> None:
    seen = "SELECT FROM _prisma_migrations WHERE migration_name = '2_frees'"
    write_migration(shop, "2_frees", f"{FREES} {UNTIL.format(seen)} CREATE TABLE half (a int);")

    def applied_elsewhere() -> None:
        with shop.database.session() as other:
            take(other)
            other.execute(
                "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)"
                " VALUES ('theirs', '', '2_frees', now(), 1)"
            )

    with beside(applied_elsewhere), pytest.raises(HistoryConflict, match="someone else applied 2_frees") as caught:
        deploy(shop)
    assert caught.value.exit_code == 5
    with shop.database.session() as session:
        assert session.rows("SELECT to_regclass('half')") == [(None,)]
        assert session.rows("SELECT id FROM _prisma_migrations WHERE migration_name = '2_frees'") == [("theirs",)]


def test_a_file_that_leaves_a_prepared_transaction_is_refused_and_the_verdict_says_why(shop: Context) -> None:
    before = state(shop)
    for ends in ("", "ROLLBACK PREPARED 'another';", "CREATE TABEL t ();"):
        write_migration(shop, "2_half", f"BEGIN;\nCREATE TABLE x (a int);\nPREPARE TRANSACTION 'it''s';\n{ends}")
        for dry_run in (True, False):
            with pytest.raises(Refused, match="2_half, line 3, prepares transaction") as caught:
                deploy(shop, dry_run=dry_run)
            assert "COMMIT PREPARED 'it''s'" in (caught.value.hint or "")
    assert (state(shop), prepared(shop)) == (before, [])


def test_what_a_failing_file_has_prepared_is_rolled_back(shop: Context) -> None:
    before, gid = state(shop), literal(f"it's {shop.database.target.database}")
    half = f'BEGIN; UPDATE "Product" SET price = 0; PREPARE TRANSACTION {gid};'
    write_migration(shop, "2_half", f"{half} SELECT 1/0; COMMIT PREPARED {gid};")
    planned = deploy(shop, dry_run=True).plan
    assert planned
    assert not planned.atomic
    assert "holds its locks" in planned.verdict
    with pytest.raises(MigrationFailed, match="The old state stands") as caught:
        deploy(shop)
    assert any("was rolled back" in note for note in result_of(caught.value).notes)
    assert (state(shop), prepared(shop)) == (before, [])
    write_migration(shop, "2_half", f"{half} COMMIT PREPARED {gid};")
    assert deploy(shop).outcome == "deployed"
    assert prepared(shop) == []


def test_what_a_dead_client_has_prepared_is_rolled_back_by_the_next_run(shop15: Context) -> None:
    before, gid = state(shop15), literal(f"dead {shop15.database.target.database}")
    half = f'BEGIN; UPDATE "Product" SET price = 0; PREPARE TRANSACTION {gid};'
    write_migration(shop15, "2_half", f"{half} SELECT pg_sleep(600); COMMIT PREPARED {gid};")
    kill_asleep(shop15, forked(lambda: deploy(shop15)))
    assert len(prepared(shop15)) == 1
    (note, *_) = apply(shop15, to="1_init").notes
    assert "was rolled back" in note
    assert (state(shop15), prepared(shop15)) == (before, [])


def next_number(context: Context) -> int:
    with context.database.session() as session:
        return int(session.rows("SELECT nextval('counted_id_seq')")[0][0])


COUNTED = "CREATE TABLE counted (id serial); INSERT INTO counted SELECT FROM generate_series(1, 50);"


def test_a_sequence_that_a_failing_file_has_set_back_gives_no_number_twice(shop: Context) -> None:
    write_migration(shop, "2_counted", COUNTED)
    deploy(shop)
    write_migration(shop, "3_bad", "SELECT setval('counted_id_seq', 1); SELECT 1/0;")
    with pytest.raises(MigrationFailed) as caught:
        deploy(shop)
    assert any("counted_id_seq" in note for note in result_of(caught.value).notes)
    assert next_number(shop) == 51


def test_a_sequence_that_a_dead_client_has_set_back_gives_no_number_twice(shop15: Context) -> None:
    write_migration(shop15, "2_counted", COUNTED)
    deploy(shop15)
    write_migration(shop15, "3_dies", "SELECT setval('counted_id_seq', 1); SELECT pg_sleep(600);")
    kill_asleep(shop15, forked(lambda: deploy(shop15)))
    (note, *_) = apply(shop15, to="2_counted").notes
    assert "counted_id_seq" in note
    assert next_number(shop15) == 51


def test_rows_that_the_history_has_forgotten_are_not_called_the_old_state(shop: Context) -> None:
    """The schema is as it was; what the file has committed are rows alone, and its own row in the history."""
    forgets = "DELETE FROM _prisma_migrations WHERE migration_name = '2_half';"
    write_migration(shop, "2_half", f'BEGIN; UPDATE "Product" SET price = 0; {forgets} COMMIT; SELECT 1/0;')
    with pytest.raises(NeedsAttention, match="Of 2_half a part may be in the database") as caught:
        deploy(shop)
    assert "resolve 2_half --rolled-back" in (caught.value.hint or "")
    last = status(shop).last_run
    assert last
    assert (last.outcome, last.state) == ("interrupted", "unknown")
    with pytest.raises(NeedsAttention):
        deploy(shop)
    assert resolve(shop, "2_half", applied=False).changed  # though it is not so: others may have written meanwhile
    write_migration(shop, "2_half", "CREATE TABLE whole (a int);")
    assert deploy(shop).applied == ("2_half",)


def test_what_a_failed_deploy_has_made_beyond_its_database_is_told(shop: Context) -> None:
    before, name = state(shop), f"{shop.database.target.database}_b"
    write_migration(shop, "2_beyond", f'CREATE DATABASE {name};\nUPDATE "Product" SET price = 0;\nSELECT 1/0;')
    planned = deploy(shop, dry_run=True)
    assert planned.plan
    assert "no way back takes it back" in planned.plan.verdict
    assert any(f"2_beyond, line 1: CREATE DATABASE {name} reaches beyond" in note for note in planned.notes)
    try:
        with pytest.raises(MigrationFailed, match=r"The old state stands\. But beyond the database") as caught:
            deploy(shop)
        way = result_of(caught.value).rollback
        assert way
        (stays,) = way.stays
        assert f'DROP DATABASE "{name}" takes it away' in stays
        assert state(shop) == before
        with pytest.raises(MigrationFailed, match="already exists") as caught:
            deploy(shop)
        way = result_of(caught.value).rollback
        assert way
        assert way.stays == ()  # it stood before that run: nobody is told to drop it
    finally:
        with shop.database.session("postgres") as session:
            session.execute(f"DROP DATABASE {name}")


def test_a_role_that_a_deploy_has_made_is_told_of_by_its_rollback(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    name = server15.create()
    context = opened(context_of(server15.process.url(name)))
    before, role = state(context), f"{name}_r"
    write_migration(context, "2_role", f'CREATE ROLE {role}; UPDATE "Product" SET price = 0;')
    deploy(context)
    try:
        assert any("Stays: role" in note for note in rollback(context, dry_run=True).notes)
        way = rollback(context).rollback
        assert way
        assert way.method == "swap"
        assert way.stays == (
            f"role {role!r} was made by 2_role, line 1, and stands: DROP ROLE {identifier(role)} takes it away.",
        )
        assert state(context) == before
    finally:
        with context.database.session() as session:
            session.execute(f"DROP ROLE {role}")


def test_a_history_that_somebody_keeps_locked_is_not_waited_for(shop15: Context) -> None:
    write_migration(shop15, "2_more", "CREATE TABLE more (a int);")
    with shop15.database.session(purpose="forgotten") as other, other.transaction():
        other.execute("LOCK TABLE _prisma_migrations")
        for run in (status, deploy):
            with pytest.raises(LockHeld, match="Somebody has locked the migration history") as caught:
                run(shop15)
            assert "pg_stat_activity" in (caught.value.hint or "")
    assert deploy(shop15).applied == ("2_more",)


def test_a_journal_holds_no_password_of_a_subscription(shop15: Context) -> None:
    sql = "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 password=topsecret' PUBLICATION p;"
    write_migration(shop15, "2_subscribes", sql)
    with pytest.raises(MigrationFailed) as caught:
        deploy(shop15)
    assert "topsecret" not in str(caught.value.details) + caught.value.message
    for path in Path(shop15.environment.backup_dir).rglob("*.jsonl"):
        assert "topsecret" not in path.read_text(), path


@pytest.mark.parametrize(
    ("does", "then"),
    [
        ("CREATE TABLE half (a int);", "SELECT 1"),
        ('UPDATE "Product" SET price = 0;', "SELECT 1/0"),
        ("SELECT 1;", "SELECT 1/0"),
    ],
)
def test_a_commit_that_only_the_server_reads_in_a_file_is_not_taken_for_the_old_state(
    does: str, then: str, shop15: Context
) -> None:
    with shop15.database.session() as session:
        session.execute(
            f"ALTER DATABASE {identifier(shop15.database.target.database)} SET standard_conforming_strings TO off"
        )
    before = state(shop15)
    write_migration(shop15, "2_odd", f"{does} SELECT 'a\\', '; COMMIT; {then}; --';")
    planned = deploy(shop15, dry_run=True).plan
    assert planned
    assert planned.atomic  # as far as anybody can tell who reads it
    if does == "SELECT 1;":
        with pytest.raises(MigrationFailed, match=r"ended before its end.*The old state stands"):
            deploy(shop15)
        assert state(shop15) == before
        return
    with pytest.raises(NeedsAttention):
        deploy(shop15)
    assert state(shop15) != before


def test_a_search_path_that_would_hide_the_history_from_the_next_session_is_not_left(shop15: Context) -> None:
    before, name = state(shop15), identifier(shop15.database.target.database)
    write_migration(shop15, "2_hides", f"ALTER DATABASE {name} SET search_path TO nowhere;")
    with pytest.raises(OperationFailed, match=r"still pending, or again: .*The old state stands") as caught:
        deploy(shop15)
    way = result_of(caught.value).rollback
    assert way
    assert (way.method, way.stays) == ("swap", ())
    assert (state(shop15), status(shop15).applied) == (before, ("1_init",))


OF_THE_HISTORY = "ALTER TABLE _prisma_migrations {};"


@pytest.mark.parametrize(
    "changes",
    [
        "DROP TABLE _prisma_migrations;",
        OF_THE_HISTORY.format("RENAME COLUMN checksum TO digest"),
        OF_THE_HISTORY.format("DROP COLUMN logs"),
        CONCURRENT + OF_THE_HISTORY.format("DROP COLUMN logs"),
    ],
)
def test_a_migration_that_makes_the_history_unusable_is_taken_back(changes: str, shop15: Context) -> None:
    before = state(shop15)
    quick = replace(shop15, environment=replace(shop15.environment, transactions="whole"))
    write_migration(shop15, "2_changes", changes)
    write_migration(shop15, "3_more", "CREATE TABLE more (a int);")
    said = "2_changes changes the table in which migrations are recorded: .*does not exist.*The old state stands"
    with pytest.raises(MigrationFailed, match=said) as caught:
        deploy(quick)
    assert (caught.value.exit_code, caught.value.details["migration"]) == (3, "2_changes")
    assert (state(shop15), status(shop15).pending) == (before, ("2_changes", "3_more"))
    write_migration(shop15, "2_changes", "SELECT 1;")
    assert deploy(shop15).applied == ("2_changes", "3_more")


@pytest.mark.parametrize(
    "changes",
    [
        "DROP TABLE _prisma_migrations;",
        OF_THE_HISTORY.format("DROP COLUMN logs"),
        OF_THE_HISTORY.format("DROP COLUMN checksum"),
    ],
)
def test_one_that_has_committed_that_by_itself_leaves_what_to_type(changes: str, shop15: Context) -> None:
    before = state(shop15)
    write_migration(shop15, "2_changes", f"BEGIN; {changes} COMMIT; SELECT 1;")
    with pytest.raises(NeedsAttention, match="2_changes changes the table in which migrations are recorded") as caught:
        deploy(shop15)
    with pytest.raises((NeedsAttention, HistoryConflict)) as again:
        deploy(shop15)
    if changes.startswith("ALTER"):
        for told in (caught, again):
            assert "Put it back, and run the same command again; Prisma's is CREATE TABLE" in (told.value.hint or "")
    backup_id = result_of(caught.value).backup_id
    assert backup_id
    restore(shop15, backup_id)
    assert (state(shop15), status(shop15).pending) == (before, ("2_changes",))


@pytest.mark.parametrize(
    "changes",
    [
        "TRUNCATE _prisma_migrations;",
        OF_THE_HISTORY.format("RENAME TO old_migrations")
        + "CREATE TABLE _prisma_migrations (LIKE old_migrations INCLUDING ALL);",
    ],
)
def test_a_migration_that_removes_what_the_history_tells_is_taken_back(changes: str, shop15: Context) -> None:
    before = state(shop15)
    write_migration(shop15, "2_changes", changes)
    with pytest.raises(OperationFailed, match="still pending, or again: 1_init") as caught:
        deploy(shop15)
    assert "The old state stands" in caught.value.message
    assert (state(shop15), status(shop15).pending) == (before, ("2_changes",))


def test_what_a_trigger_of_the_history_lacks_is_not_said_of_the_history(shop15: Context) -> None:
    with shop15.database.session() as session:
        session.script(
            "CREATE TABLE seen (name text);"
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO seen VALUES (NEW.migration_name); RETURN NEW; END';"
            "CREATE TRIGGER see BEFORE INSERT ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION see()"
        )
    write_migration(shop15, "2_drops", "DROP TABLE seen;")
    with pytest.raises(MigrationFailed, match='relation "seen" does not exist') as caught:
        deploy(shop15)
    assert "is not as Prisma makes it" not in caught.value.message
    assert status(shop15).pending == ("2_drops",)


def test_a_history_that_was_put_back_is_settled_by_the_next_run(shop15: Context) -> None:
    write_migration(shop15, "2_changes", f"BEGIN; {OF_THE_HISTORY.format('DROP COLUMN logs')} COMMIT; SELECT 1;")
    with pytest.raises(NeedsAttention):
        deploy(shop15)
    with shop15.database.session() as session:
        session.execute("ALTER TABLE _prisma_migrations ADD COLUMN logs TEXT")
    (note, *_) = apply(shop15, to="1_init").notes
    assert "the old state stands" in note
    assert status(shop15).pending == ("2_changes",)


def test_tables_with_signs_of_format_strings_in_their_names_are_undone_by_script(shop15: Context) -> None:
    before = state(shop15)
    write_migration(shop15, "2_odd", 'CREATE TABLE "a%s{}b" (a int);')
    write_migration(shop15, "3_bad", 'CREATE INDEX CONCURRENTLY i ON "Product" (price); SELECT 1/0;')
    with pytest.raises(MigrationFailed) as caught:
        deploy(shop15)
    way = result_of(caught.value).rollback
    assert way
    assert (way.method, way.lossless) == ("down", True)
    assert state(shop15) == before


def test_a_way_down_that_lets_go_of_the_migration_lock_is_not_gone(shop15: Context) -> None:
    before = state(shop15)
    write_migration(shop15, "2_more", "CREATE VIEW more AS SELECT 1 AS a; SELECT 1;", f"{FREES} DROP VIEW more;")
    deploy(shop15)
    way = rollback(shop15).rollback
    assert way
    assert (way.method, way.lossless) == ("swap", True)
    assert state(shop15) == before


def test_a_migration_that_locks_us_out_is_deployed_and_said_to_have_done_so(shop15: Context) -> None:
    name = identifier(shop15.database.target.database)
    write_migration(shop15, "2_locks", f"ALTER DATABASE {name} CONNECTION LIMIT 0;")
    result = deploy(shop15)
    assert result.outcome == "deployed"
    assert any("A new session cannot read the history any more" in note for note in result.notes)


def test_what_shows_only_at_the_commit_is_not_said_to_be_no_files_fault(shop15: Context) -> None:
    parent = 'int REFERENCES "Product" DEFERRABLE INITIALLY DEFERRED'
    write_migration(shop15, "2_orphan", f"CREATE TABLE child (a {parent}); INSERT INTO child VALUES (-1);")
    with pytest.raises(MigrationFailed, match=r"\(23503\).*The old state stands") as caught:
        deploy(shop15)
    assert "they may be changed" in (caught.value.hint or "")
