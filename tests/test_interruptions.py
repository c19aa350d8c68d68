"""What goes wrong while a deploy is under way, or is being put back: never a wrong claim of what stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import held_session, uncounted
from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.advisory import lock_database
from operations.apply import apply
from operations.context import Context
from operations.database_url import parse_database_url
from operations.deploy import deploy
from operations.errors import DatabaseUnreachable, DiskFull, HistoryConflict, LockHeld, MigrationFailed, NeedsAttention
from operations.journal import records
from operations.layout import scratch_prefix
from operations.outcome import DeployResult
from operations.ports import Progress
from operations.scratch import in_use, users
from operations.secret import Secret
from operations.settings import Backups
from operations.status import status

from .conftest import Server
from .folders import write_migration
from .stalling import LostAnswer, Relay

USERS = (
    "CREATE TABLE users (id int PRIMARY KEY, nick text);"
    " INSERT INTO users SELECT i, 'n' || i FROM generate_series(1, 5) i;"
)
HALF = "UPDATE users SET nick = 'q';"
BAD = "CREATE INDEX CONCURRENTLY i ON users (id); SELECT 1/0;"


@pytest.fixture
def context(server15: Server, context_of: Callable[..., Context]) -> Context:
    """With five users, and one deploy behind it."""
    context = context_of(server15.url(server15.create()), backups=Backups(test_restore="never"), attempts=2)
    write_migration(context, "1_init", USERS)
    deploy(context)
    return context


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_session, "RECONNECT_FOR", 1.0)


def result_of(error: BaseException) -> DeployResult:
    result = error.details["result"]  # type: ignore[attr-defined]
    assert isinstance(result, DeployResult)
    return result


def once(label: str, act: Callable[[], None]) -> Callable[[Progress], None]:
    """A report that acts the first time that something of that label is begun."""
    done: list[bool] = []

    def report(progress: Progress) -> None:
        if label in progress.label and not done:
            done.append(True)
            act()

    return report


def cut(server: Server, context: Context) -> None:
    """End the sessions of deploys, as a broken line would."""
    with server.superuser().session() as session:
        session.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            " AND application_name LIKE 'locktender run%%'",
            (context.database.target.database,),
        )


def rows(context: Context, query: str) -> list[tuple[object, ...]]:
    with context.database.session() as session:
        return session.rows(query)


@dataclass
class Line:
    """Whether the server can be reached."""

    down: bool = False


class CutDatabase(PostgresDatabase):
    """A database behind a line that can be cut."""

    line: Line

    def connect(self, database: str | None = None, *, purpose: str = "") -> PostgresSession:
        if self.line.down:
            raise DatabaseUnreachable("The line is cut.")
        return super().connect(database, purpose=purpose)


def test_a_put_back_that_cannot_reach_the_server_is_carried_on_by_the_next_run(
    context: Context, server15: Server
) -> None:
    write_migration(context, "2_half", HALF)
    write_migration(context, "3_bad", BAD)
    database = CutDatabase(parse_database_url(context.environment.database_url))
    database.line = Line()

    def lose() -> None:
        database.line.down = True
        cut(server15, context)

    with pytest.raises(NeedsAttention, match="cannot be told yet") as caught:
        deploy(replace(context, database=database, report=once("putting back", lose)))
    assert caught.value.exit_code == 4
    assert result_of(caught.value).outcome == "needs_attention"
    assert status(context).interrupted == (result_of(caught.value).run_id,)
    assert apply(context, to="1_init").outcome == "nothing_to_do"
    assert rows(context, "SELECT count(*) FROM users WHERE nick = 'q'") == [(0,)]
    assert status(context).pending == ("2_half", "3_bad")
    assert all(record.finished for record in records(context))


def test_ctrl_c_during_the_put_back_is_no_old_state(context: Context) -> None:
    write_migration(context, "2_half", HALF)
    write_migration(context, "3_bad", BAD)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(NeedsAttention, match="did not come to its end: Interrupted"):
        deploy(replace(context, report=once("putting back", interrupt)))
    assert status(context).last_run is not None
    assert status(context).last_run.state == "between"  # type: ignore[union-attr]
    assert apply(context, to="1_init").notes != ()
    assert rows(context, "SELECT count(*) FROM users WHERE nick = 'q'") == [(0,)]


def test_ctrl_c_while_applying_is_put_back(context: Context) -> None:
    write_migration(context, "2_half", HALF)
    write_migration(context, "3_bad", "SELECT 1;")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Exception, match=r"Interrupted\. The old state stands") as caught:
        deploy(replace(context, report=once("applying 3_bad", interrupt)))
    assert result_of(caught.value).outcome == "rolled_back"
    assert status(context).pending == ("2_half", "3_bad")


class FullAt(LocalHost):
    """A disk that is full for one kind of journal line, or from it on."""

    def __init__(self, event: bytes, *, for_good: bool) -> None:
        self.event, self.for_good, self.full = event, for_good, False

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        if self.event in data or (self.full and self.for_good):
            self.full = True
            raise DiskFull("The disk is full.")
        super().append(path, data, sync=sync)


@pytest.mark.parametrize("event", [b'"step_finished"', b'"run_finished"'])
def test_a_disk_that_is_full_after_the_commit_does_not_turn_the_new_state_old(context: Context, event: bytes) -> None:
    write_migration(context, "2_half", HALF)
    result = deploy(replace(context, host=FullAt(event, for_good=False)))
    assert result.outcome == "deployed"
    assert deploy(context).outcome == "nothing_to_do"
    assert all(record.finished for record in records(context))


def test_a_disk_that_fills_up_between_two_commits_is_exit_four(context: Context) -> None:
    write_migration(context, "2_half", HALF)
    write_migration(context, "3_more", "CREATE INDEX CONCURRENTLY i ON users (id); SELECT 1;")
    with pytest.raises(NeedsAttention) as caught:
        deploy(replace(context, host=FullAt(b'"statement"', for_good=True)))
    assert caught.value.exit_code == 4
    assert apply(context, to="1_init").outcome == "nothing_to_do"
    assert rows(context, "SELECT count(*) FROM users WHERE nick = 'q'") == [(0,)]


def test_what_someone_else_applied_while_the_line_was_cut_is_not_applied_again(
    context: Context, server15: Server
) -> None:
    write_migration(context, "2_shift", "UPDATE users SET id = id + 1000;")
    waiting = context.database.connect(purpose="prisma")

    def prisma() -> None:
        waiting.rows("SELECT pg_advisory_lock(72707369)")
        waiting.script(
            "UPDATE users SET id = id + 1000; INSERT INTO _prisma_migrations"
            " (id, checksum, migration_name, finished_at) VALUES ('theirs', 'c', '2_shift', now())"
        )
        waiting.close()

    thread = threading.Thread(target=prisma)

    def lose() -> None:
        thread.start()
        while rows(context, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == []:
            pass
        cut(server15, context)

    with pytest.raises(HistoryConflict, match="someone else applied 2_shift"):
        deploy(replace(context, report=once("applying 2_shift", lose)))
    thread.join()
    assert rows(context, "SELECT min(id), max(id) FROM users") == [(1001, 1005)]


def test_a_first_deploy_whose_first_commit_is_not_answered_goes_on(
    server15: Server, context_of: Callable[..., Context], tmp_path: Path
) -> None:
    straight = server15.url(server15.create())
    relay = LostAnswer(server15.process.port, b"CREATE TABLE counted")
    url = Secret(straight.reveal().replace(f":{server15.process.port}/", f":{relay.port}/"))
    context = context_of(url, migrations=str(tmp_path / "first"))
    write_migration(context, "1_table", "CREATE TABLE counted (a int); INSERT INTO counted VALUES (1);")
    write_migration(context, "2_vacuum", "INSERT INTO counted VALUES (2); VACUUM counted;")
    assert deploy(context).applied == ("1_table", "2_vacuum")
    assert relay.lost
    with PostgresDatabase(parse_database_url(straight)).session() as session:
        assert session.rows("SELECT count(*) FROM counted") == [(2,)]
        assert session.rows("SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL") == [(2,)]


class Awake(SystemClock):
    """Counts the seconds slept."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        super().sleep(seconds)


def test_a_server_that_stays_away_is_waited_for_once(
    server15: Server, context_of: Callable[..., Context], tmp_path: Path
) -> None:
    straight = server15.url(server15.create())
    relay, clock = Relay(server15.process.port), Awake()
    url = Secret(straight.reveal().replace(f":{server15.process.port}/", f":{relay.port}/"))
    context = context_of(url, migrations=str(tmp_path / "away"))
    write_migration(context, "1_slow", "CREATE TABLE slow (a int); SELECT pg_sleep(30);")
    with pytest.raises(NeedsAttention, match="It cannot be told yet what stands"):
        deploy(replace(context, clock=clock, report=once("applying 1_slow", relay.close)))
    assert 0 < clock.slept <= held_session.RECONNECT_FOR + 0.5


def test_without_the_lock_nothing_is_put_back(context: Context, server15: Server) -> None:
    write_migration(context, "2_half", HALF)
    write_migration(context, "3_bad", "CREATE INDEX CONCURRENTLY i ON users (id); SELECT pg_sleep(30);")
    hurried = replace(context, environment=replace(context.environment, advisory_lock_timeout=0.5))
    other = context.database.connect(purpose="someone else")
    taken = threading.Thread(target=lambda: other.rows("SELECT pg_advisory_lock(72707369)"))

    def lose() -> None:
        taken.start()
        while rows(context, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == []:
            pass
        cut(server15, context)

    with pytest.raises(NeedsAttention, match="Another migration is running"):
        deploy(replace(hurried, report=once("applying 3_bad", lose)))
    taken.join()
    assert rows(context, "SELECT count(*) FROM users WHERE nick = 'q'") == [(5,)]
    with pytest.raises(LockHeld):
        apply(hurried, to="1_init")
    other.close()
    assert apply(context, to="1_init").outcome == "nothing_to_do"
    assert rows(context, "SELECT count(*) FROM users WHERE nick = 'q'") == [(0,)]


def test_a_block_that_commits_is_not_taken_for_done_when_the_line_is_cut(context: Context) -> None:
    write_migration(
        context,
        "2_do",
        "DO $$ BEGIN CREATE INDEX ix ON users (nick); COMMIT; PERFORM pg_terminate_backend(pg_backend_pid());"
        " INSERT INTO users VALUES (99, 'never'); COMMIT; END $$;",
    )
    with pytest.raises(NeedsAttention):
        deploy(context)
    assert status(context).failed == ("2_do",)


def test_a_baseline_that_stays_is_said_and_can_be_repeated(
    server15: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server15.url(server15.create()))
    with context.database.session() as session:
        session.script(USERS)
    write_migration(context, "1_init", USERS)
    write_migration(context, "2_bad", "SELECT 1/0;")
    with pytest.raises(MigrationFailed, match="with the baseline recorded"):
        apply(context, baseline="1_init")
    write_migration(context, "2_bad", "SELECT 1;")
    assert apply(context, baseline="1_init").applied == ("2_bad",)


def test_an_idle_session_timeout_does_not_end_a_deploy(context: Context, server15: Server) -> None:
    with server15.superuser().session() as session:
        session.execute(f"ALTER DATABASE {context.database.target.database} SET idle_session_timeout = '200ms'")
    write_migration(context, "2_index", "CREATE INDEX CONCURRENTLY i ON users (id); SELECT 1;")
    assert deploy(context).outcome == "deployed"


def test_vacuum_full_does_not_make_the_application_queue_up(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncounted, "LAG", 0.2)  # the report ends no sooner for being waited for
    write_migration(context, "2_vacuum", "VACUUM FULL users;")
    hurried = replace(context, environment=replace(context.environment, lock_timeout=0.3))
    with context.database.session(purpose="a report") as report, report.transaction():
        report.rows("SELECT * FROM users")
        with pytest.raises(MigrationFailed, match="a report"):
            deploy(hurried)


def test_a_scratch_database_that_cannot_be_dropped_is_no_obstacle(context: Context, server15: Server) -> None:
    name = scratch_prefix(context.environment, context.database.target.database) + "deadbeef"
    server15.create(name)
    with server15.superuser().session() as session:
        session.execute(f"ALTER DATABASE {name} IS_TEMPLATE true")
    assert deploy(context).outcome == "nothing_to_do"
    with server15.superuser().session() as session:
        assert session.rows("SELECT FROM pg_database WHERE datname = %s", (name,)) == []


def test_a_scratch_database_of_a_run_in_another_container_is_left_alone(context: Context, server15: Server) -> None:
    """Its backup directory bears the same name as ours, but is another one; a lock in the server tells of it."""
    name = scratch_prefix(context.environment, context.database.target.database) + "deadbeef"
    server15.create(name)
    with in_use(context, name), context.database.session() as other:
        lock_database(context, other, 72707369)
        with pytest.raises(LockHeld):
            deploy(replace(context, environment=replace(context.environment, advisory_lock_timeout=0.0)))
        assert other.rows("SELECT datname FROM pg_database WHERE datname = %s", (name,)) == [(name,)]
    with context.database.session() as session:
        while users(session, [name]):
            time.sleep(0.01)
    assert deploy(context).outcome == "nothing_to_do"
    assert rows(context, f"SELECT FROM pg_database WHERE datname = '{name}'") == []


def test_a_dead_run_whose_backup_is_gone_does_not_block_for_ever(context: Context) -> None:
    write_migration(context, "2_half", HALF)
    write_migration(context, "3_bad", BAD)
    with pytest.raises(NeedsAttention):
        deploy(replace(context, host=FullAt(b'"statement"', for_good=True)))
    for backup in backups(context):
        context.host.remove(backup)
    with pytest.raises(NeedsAttention, match="cannot be undone by itself") as caught:
        deploy(context)
    assert "rollback --run" in str(caught.value.hint) or "resolve" in str(caught.value.hint)


def backups(context: Context) -> Iterator[str]:
    for path in Path(context.environment.backup_dir).iterdir():
        if not path.name.startswith("."):
            yield str(path)
