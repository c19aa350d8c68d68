"""A deploy that dies at every step of its journal: old state or new state, said by status, settled by the next run."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from msgspec.structs import asdict, replace

from operations.adapters.local_host import LocalHost
from operations.adapters.processes import LocalProcesses
from operations.advisory import lock_database
from operations.apply import apply
from operations.context import Context
from operations.deploy import deploy
from operations.errors import ConnectionLost, LockHeld, NeedsAttention
from operations.journal import records
from operations.layout import scratch_prefix, state_directory
from operations.lock import Owner, current_owner
from operations.migrations import formats
from operations.settings import Backups
from operations.status import status

from .campaign.scale import step
from .conftest import Server
from .folders import write_migration
from .test_deploy import SHOP, state

NEXT = {
    "atomic": (
        'ALTER TABLE "Product" ADD COLUMN note text;',
        'UPDATE "Product" SET note = name; CREATE TABLE other (a int);',
    ),
    "concurrent": (
        'ALTER TABLE "Product" ADD COLUMN note text;',
        'CREATE INDEX CONCURRENTLY i ON "Product" (price);\nALTER TABLE "Product" ADD COLUMN tag text;\n'
        'DROP INDEX CONCURRENTLY i;\nCREATE INDEX CONCURRENTLY j ON "Product" (name);',
    ),
    "rows": (
        'UPDATE "Product" SET price = price + 1;',
        'CREATE INDEX CONCURRENTLY i ON "Product" (price);',
    ),
}


class DyingHost(LocalHost):
    """A machine that loses our process at the n-th write to a journal: before it, or right after it."""

    def __init__(self, at: int, after: bool) -> None:
        self.left, self.after = at, after

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            os._exit(9)
        super().append(path, data, sync=sync)
        if self.left == 0:
            os._exit(9)


def forked(act: Callable[[], object]) -> int:
    """A process of its own that does this, and no more; its id."""
    child = os.fork()
    if child:
        return child
    try:
        act()
    finally:
        os._exit(0)


def run_dying(context: Context, at: int, after: bool) -> bool:
    """Deploy in a process of its own that dies on the way; whether it did."""
    child = forked(lambda: deploy(replace(context, host=DyingHost(at, after))))
    _, code = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(code) == 9


def test_dying_at_some_journal_entries(server18: Server, context_of: Callable[..., Context]) -> None:
    """Every fifth; before one and after the next, in turn."""
    die_everywhere("atomic", server18, context_of, lambda at: (at % 2 == 0,) if at % 5 == 0 else ())


@pytest.mark.campaign
def test_dying_at_every_journal_entry(server18: Server, context_of: Callable[..., Context]) -> None:
    """Before one entry and after the next, in turn."""
    die_everywhere("atomic", server18, context_of, lambda at: (at % 2 == 0,))


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", NEXT)
def test_dying_before_and_after_every_journal_entry(
    scenario: str, server15: Server, context_of: Callable[..., Context]
) -> None:
    die_everywhere(scenario, server15, context_of, lambda at: (False, True) if at % step() == 0 else ())


def die_everywhere(
    scenario: str, server: Server, context_of: Callable[..., Context], when: Callable[[int], tuple[bool, ...]]
) -> None:
    quick = Backups(test_restore="never")
    context = context_of(server.url(server.create()), backups=quick)
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_first", NEXT[scenario][0])
    write_migration(context, "3_second", NEXT[scenario][1])
    template = context.database.target.database
    old = state(context)
    new: object = None
    for at in range(1, 100):
        for after in when(at):
            victim = copy_of(context, server, template, f"{template}_{at}_{after:d}")
            if not run_dying(victim, at, after):
                assert (status(victim).last_run or status).outcome == "deployed"  # type: ignore[union-attr]
                assert at > 5
                return
            seen = status(victim).last_run
            found = state(victim)
            if seen and seen.operation == "deploy" and seen.outcome == "interrupted" and seen.state != "between":
                assert (found == old) == (seen.state == "old"), (at, after, seen)
            settled = apply(victim, to="1_init")
            assert settled.outcome == "nothing_to_do"
            found = state(victim)
            if found != old:
                without_history = (found[0], [row for row in found[1] if "_prisma" not in str(row[0])])
                new = new or without_history
                assert without_history == new, (at, after)
                assert status(victim).pending == ()
            else:
                assert status(victim).pending == ("2_first", "3_second")
            assert all(record.finished for record in records(victim))
            leaves_nothing(victim)
            if at % 5 == 0:
                assert deploy(victim).outcome in ("deployed", "nothing_to_do")
            drop(server, victim)
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("others", [None, 'ALTER TABLE "Product" ADD COLUMN theirs int', 'TRUNCATE "Product" CASCADE'])
def test_what_a_client_had_changed_in_the_transaction_it_died_in_is_not_taken_for_others(
    others: str | None, server15: Server, context_of: Callable[..., Context]
) -> None:
    """It is rolled back, but counted; what others have done since stays all the same."""
    settings = {"backups": Backups(test_restore="never"), "strategy": "online", "transactions": "file"}
    context = context_of(server15.url(server15.create()), **settings)
    write_migration(context, "1_init", SHOP)
    deploy(context)
    old = state(context)
    write_migration(context, "2_whole", 'ALTER TABLE "Product" ALTER COLUMN name TYPE varchar(999);')
    write_migration(context, "3_dies", 'ALTER TABLE "Product" ADD COLUMN note text; SELECT pg_sleep(600);')
    kill_asleep(context, forked(lambda: deploy(context)))
    if others:
        with context.database.session() as session:
            session.execute(others)
            session.rows("SELECT pg_stat_force_next_flush()")
    settled = apply(context, to="1_init")
    assert (state(context) == old) == (others is None), settled.notes
    assert status(context).pending == (("2_whole", "3_dies") if others is None else ("3_dies",))


def test_what_the_history_has_forgotten_of_a_client_that_died_is_not_called_the_old_state(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"), strategy="online")
    write_migration(context, "1_init", SHOP)
    deploy(context)
    forgets = "DELETE FROM _prisma_migrations WHERE migration_name > '1_init'; CREATE TABLE z (a int); COMMIT;"
    write_migration(context, "2_dies", f"DO $$ BEGIN {forgets} PERFORM pg_sleep(600); END $$;")
    kill_asleep(context, forked(lambda: deploy(context)))
    with pytest.raises(NeedsAttention, match="Of 2_dies a part may be in the database"):
        apply(context, to="1_init")


@pytest.mark.parametrize(
    "others",
    [
        None,
        "CREATE VIEW theirs AS SELECT 1 AS a",
        'ALTER TABLE "Product" ADD COLUMN theirs int',
        'CREATE INDEX theirs ON "Product" (id)',
        'TRUNCATE "Product" CASCADE',
    ],
)
def test_a_statement_by_itself_that_nobody_lived_to_count_hides_no_work_of_others(
    others: str | None, server15: Server, context_of: Callable[..., Context]
) -> None:
    settings = {"backups": Backups(test_restore="never"), "strategy": "online"}
    context = context_of(server15.url(server15.create()), **settings)
    write_migration(context, "1_init", SHOP)
    deploy(context)
    old = state(context)
    write_migration(context, "2_rows", 'UPDATE "Product" SET price = price + 1;')
    write_migration(context, "3_index", 'CREATE INDEX CONCURRENTLY i ON "Product" (price); SELECT 1/0;')
    dying = replace(context, host=Pausing(b'"event":"outside"', lambda: os._exit(9)))
    _, code = os.waitpid(forked(lambda: deploy(dying)), 0)
    assert os.waitstatus_to_exitcode(code) == 9
    if not others:
        settled = apply(context, to="1_init")
        assert state(context) == old, settled.notes
        return
    with context.database.session() as session:
        session.execute(others)
    left = state(context)
    with pytest.raises(NeedsAttention, match="others have written since"):
        apply(context, to="1_init")
    assert state(context) == left


def kill_asleep(context: Context, child: int) -> None:
    """Kill a client whose migration sleeps, and wait until that is rolled back. In the database itself nobody looks on:
    a session there may have written what is not counted yet."""
    database = (context.database.target.database,)
    sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
    with context.database.session("postgres") as session:
        while not session.rows(sleeping, database):
            time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while pids := session.rows(sleeping, database):
            session.rows("SELECT pg_terminate_backend(%s)", pids[0])
            time.sleep(0.05)


class Pausing(LocalHost):
    """Acts before a run's journal gets a certain line, each time."""

    def __init__(self, words: bytes, act: Callable[[], object]) -> None:
        self.words, self.act = words, act

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        if self.words in data:
            self.act()
        super().append(path, data, sync=sync)


def test_what_others_had_not_yet_counted_is_never_taken_for_rolled_back_work_of_ours(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    """PostgreSQL adds a session's counts up to ten seconds late: here after our look, and before the next run's."""
    settings = {"backups": Backups(test_restore="never"), "strategy": "online", "transactions": "file"}
    context = context_of(server15.url(server15.create()), **settings)
    write_migration(context, "1_init", SHOP + "CREATE TABLE theirs AS SELECT 1 AS a;")
    deploy(context)
    write_migration(context, "2_whole", 'ALTER TABLE "Product" ALTER COLUMN name TYPE varchar(999);')
    write_migration(context, "3_dies", 'ALTER TABLE "Product" ADD COLUMN note text; SELECT pg_sleep(600);')
    go, truncated = os.pipe(), os.pipe()

    def others_turn() -> None:
        os.write(go[1], b".")
        os.read(truncated[0], 1)

    child = forked(lambda: deploy(replace(context, host=Pausing(b'"apply_planned"', others_turn))))
    os.close(go[1])  # so that the next line ends should the child die
    assert os.read(go[0], 1)
    with context.database.session() as other:
        other.rows("SELECT pg_stat_force_next_flush()")
        other.rows("SELECT count(*) FROM theirs")
        other.execute("TRUNCATE theirs")  # within a second of having counted that: so this is counted later
        os.write(truncated[1], b".")
        kill_asleep(context, child)
    apply(context, to="1_init")
    with context.database.session() as session:
        assert session.rows("SELECT count(*) FROM theirs") == [(0,)]


def test_an_undo_whose_client_dies_in_it_is_not_taken_for_others(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    """By script it cannot be done, so it is tried, fails, and tries to note that: there it dies, twice."""
    settings = {"backups": Backups(test_restore="never"), "strategy": "online", "transactions": "file"}
    context = context_of(server15.url(server15.create()), **settings)
    write_migration(context, "1_init", SHOP)
    deploy(context)
    old = state(context)
    wrong = 'ALTER TABLE "Product" ADD COLUMN other text;'
    write_migration(context, "2_whole", 'ALTER TABLE "Product" ALTER COLUMN name TYPE varchar(999);', down=wrong)
    write_migration(context, "3_fails", 'ALTER TABLE "Product" ADD COLUMN note text; SELECT 1/0;')
    attempts = iter((lambda: None, lambda: os._exit(9)))
    first = forked(lambda: deploy(replace(context, host=Pausing(b'"attempted"', lambda: next(attempts)()))))
    assert os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == 9
    dying = replace(context, host=Pausing(b'"attempted"', lambda: os._exit(9)))
    second = forked(lambda: apply(dying, to="1_init"))
    assert os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]) == 9
    settled = apply(context, to="1_init")
    assert state(context) == old, settled.notes
    assert "swap" in " ".join(settled.notes)


def copy_of(context: Context, server: Server, template: str, name: str) -> Context:
    """The same situation on a database of its own."""
    with server.superuser().session() as session:
        session.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER app_owner')
    from operations.adapters.postgres import PostgresDatabase
    from operations.database_url import parse_database_url

    url = server.url(name)
    environment = replace(context.environment, database_url=url, backup_dir=f"{context.environment.backup_dir}-{name}")
    return replace(context, environment=environment, database=PostgresDatabase(parse_database_url(url)))


def drop(server: Server, context: Context) -> None:
    with server.superuser().session() as session:
        session.execute(f'DROP DATABASE "{context.database.target.database}" WITH (FORCE)')


def leaves_nothing(context: Context) -> None:
    """No scratch database, no lock, no half-written backup."""
    prefix = scratch_prefix(context.environment, context.database.target.database)
    with context.database.session() as session:
        assert session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,)) == []
    assert current_owner(context) is None
    left = context.host.list(context.environment.backup_dir)
    assert [name for name in left if "partial" in name] == []
    assert {
        name for name in context.host.list(state_directory(context.environment)) if name.startswith("lock")
    } == set()


def test_sessions_that_earlier_runs_have_left_are_ended_and_no_others(
    server18: Server, context_of: Callable[..., Context]
) -> None:
    """As behind a line that fell silent: the server does not know yet that nobody is there any more."""
    context = context_of(server18.url(server18.create()), backups=Backups(test_restore="never"))
    context = replace(context, environment=replace(context.environment, advisory_lock_timeout=0.5))
    write_migration(context, "1_init", SHOP)
    deploy(context)
    format = formats.detect(context.files, context.environment.migrations)
    (known,) = records(context)
    for dead in (f"run {known.run_id}", f"settle {known.run_id}", "run 20260101T000000Z-0dead0"):
        left = context.database.connect(purpose=dead)
        lock_database(context, left, format.lock_id)
        if "0dead0" in dead:
            host, lock = context.host, f"{state_directory(context.environment)}/lock"
            host.make_directory(lock)
            owner = Owner("20260101T000000Z-0dead0", "deploy", "tester", LocalProcesses().identity() + "0", "", 1)
            host.write(f"{lock}/owner.json", json.dumps(asdict(owner)).encode())
        assert deploy(context).outcome == "nothing_to_do"
        with pytest.raises(ConnectionLost):
            left.rows("SELECT 1")
    with context.database.session(purpose="run 20260101T000000Z-5e1f00") as elsewhere:
        lock_database(context, elsewhere, format.lock_id)
        with pytest.raises(LockHeld, match="5e1f00"):
            deploy(context)
        assert elsewhere.rows("SELECT 1") == [(1,)]


def test_a_database_that_a_dead_client_is_still_making_is_not_left(
    server: Server, context_of: Callable[..., Context]
) -> None:
    """The server goes on with CREATE DATABASE, and what it makes shows only when that is done."""
    context = context_of(server.url(server.create()), backups=Backups(test_restore="never"))
    write_migration(context, "1_init", SHOP)
    deploy(context)
    prefix = scratch_prefix(context.environment, context.database.target.database)
    url = context.environment.database_url.reveal()
    with server.superuser().session() as holding, closing(psycopg.connect(url, dbname="postgres")) as dead:
        holding.execute("BEGIN")
        holding.execute("LOCK TABLE pg_database IN SHARE MODE")  # so it takes as long as we like
        dead.pgconn.send_query(f'CREATE DATABASE "{prefix}0dead0" TEMPLATE template0'.encode())
        while not holding.rows("SELECT FROM pg_locks WHERE NOT granted AND relation = 'pg_database'::regclass"):
            time.sleep(0.01)
        assert deploy(context).outcome == "nothing_to_do"
        holding.execute("ROLLBACK")
        assert dead.pgconn.get_result().error_message.startswith(b"FATAL")
        assert holding.rows("SELECT FROM pg_database WHERE starts_with(datname, %s)", (prefix,)) == []
