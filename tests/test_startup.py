"""``locktender start`` as a container runs it: real processes, real servers, and what becomes of the process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import pytest

from operations import waiting
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import ThrowawayServer
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import AuthenticationFailed, ConfigurationError, ConnectionLost, MigrationFailed, NeedsAttention
from operations.journal import Entry, RunRecord
from operations.secret import Secret
from operations.settings import App as Compose
from operations.settings import Server as RemoteServer
from operations.startup import Limits, failures_of_others, next_step, start
from operations.status import StatusResult
from operations.transient import may_pass
from operations.waiting import gives_up, wait_for_database

from .conftest import Server, missing
from .folders import LOCK_FILE
from .locktender_process import ROOT, Project, Ran, finish
from .ports import free_port

PATIENCE = 60.0
UP = ("sh", "-c", "echo up")
REPLICAS = [4, pytest.param(10, marks=pytest.mark.campaign)]
OWN_BACKUPS = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


@dataclass(frozen=True)
class App:
    """A project whose container begins with ``locktender start``."""

    project: Project
    database: PostgresDatabase
    wrapper: tuple[str, ...] = ()
    """What runs the program, such as ``unshare``."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def write(self, name: str, sql: str) -> None:
        (self.project.migrations / name).mkdir(parents=True, exist_ok=True)
        (self.project.migrations / "migration_lock.toml").write_text(LOCK_FILE)
        (self.project.migrations / name / "migration.sql").write_text(sql)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.project.variables, **self.variables}

    def begin(self, *words: str, stdin: int | IO[str] = subprocess.DEVNULL) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "cli", "--config", str(self.project.configuration), "start", *words]
        return subprocess.Popen(
            [*self.wrapper, *argv],
            cwd=ROOT,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *words: str) -> Ran:
        return finish(self.begin(*words), PATIENCE)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.database.session() as session:
            return session.rows(query)

    def history(self) -> list[tuple[object, ...]]:
        """Every row of it: a migration applied twice would be there twice."""
        return self.rows("SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY 1")

    def tables(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")

    def runs(self) -> list[Path]:
        return sorted((self.project.state_path / "journal").glob("*.jsonl"))


@pytest.fixture
def app(server18: Server, tmp_path: Path) -> App:
    """One migration in the folder, and nothing in the database."""
    name = server18.create()
    project = Project(tmp_path, server18.url(name), tmp_path / "migrations", backups={"test_restore": '"never"'})
    made = App(project, PostgresDatabase(parse_database_url(project.url)))
    made.write("1_init", "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);")
    return made


@pytest.fixture
def running(app: App) -> App:
    """With its first migration applied."""
    assert app.start(*UP).stdout == "up\n"
    return app


def until_said(process: subprocess.Popen[str], text: str) -> str:
    """Everything on stderr up to the line with ``text``."""
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    pytest.fail(f"never said {text!r}: {said}")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- the hand-over -------------------------------------------------------------------------------------------------


LIBRARYS_OWN = 0b11 << 31
"""Signals 32 and 33, which belong to the C library: it lets nobody set them, and ignores them in what make starts."""


def test_the_command_takes_over_the_process_with_default_signals_and_no_file_of_ours(running: App) -> None:
    process = running.begin("--", "cat", "/proc/self/status")
    told = dict(line.split(":\t", 1) for line in finish(process).stdout.splitlines())
    assert int(told["Pid"]) == process.pid
    assert {told[key] for key in ("SigBlk", "SigCgt", "ShdPnd")} == {"0" * 16}
    assert int(told["SigIgn"], 16) & ~LIBRARYS_OWN == 0
    listed = running.start("ls", "/proc/self/fd").stdout.split()
    assert listed == ["0", "1", "2", "3"]  # the last one is ls's own


def test_ignored_signals_stay_ignored_as_under_nohup(running: App) -> None:
    ignoring = replace(running, wrapper=("sh", "-c", 'trap "" HUP; exec "$@"', "sh"))
    told = ignoring.start("grep", "SigIgn", "/proc/self/status").stdout.split()
    assert int(told[1], 16) & ~LIBRARYS_OWN == 1 << (signal.SIGHUP - 1)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_environment_arguments_and_stdin_are_passed_on_as_they_are(locale: str, running: App) -> None:
    lean = {"PATH": os.environ["PATH"], "LANG": locale, "ODD": "a=b\nc", **running.project.variables}
    config = str(running.project.configuration)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--config", config, "start", "cat", "/proc/self/environ"],
        cwd=ROOT, env=lean, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry) == lean
    words = ("printf", "[%s]", "--port", "3000", "--json", "--", "-q", "", "--help")
    for given in (words, ("--", *words)):
        assert running.start(*given).stdout == "[--port][3000][--json][--][-q][][--help]"
    process = running.begin("-q", "--", "cat", stdin=subprocess.PIPE)
    assert process.communicate("typed\n", timeout=PATIENCE) == ("typed\n", "")


def test_signals_reach_the_command_and_its_exit_code_is_the_process_s(running: App) -> None:
    assert running.start("--", "sh", "-c", "exit 7").exit_code == 7
    catching = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    process = running.begin("--", "sh", "-c", catching)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=PATIENCE)[0] == "caught\n"
    assert process.returncode == 9


def test_as_the_first_process_of_a_container(running: App, tmp_path: Path) -> None:
    contained = replace(running, wrapper=(*unshare(), "--pid", "--fork", "--kill-child", "--mount-proc"))
    assert contained.start("--", "sh", "-c", "echo $$").stdout == "1\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "What is to be started"),
        (("--",), "What is to be started"),
        (("no-such-program",), "in none of the directories of PATH"),
        (("./no/such/program",), "does not exist"),
        (("./README.md",), "is not executable"),
        (("/usr",), "is a directory"),
        (("--check-only", "--no-apply", "true"), "exclude each other"),
        (("--timeout", "soon", "true"), "must be a duration"),
        (("--nope", "true"), "--nope"),
    ],
)
def test_a_command_that_cannot_be_started_is_told_before_anything_is_done(
    words: tuple[str, ...], told: str, app: App
) -> None:
    done = app.start(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert not app.project.state_path.exists()


def test_a_file_that_is_no_program_is_told_too(running: App, tmp_path: Path) -> None:
    script = tmp_path / "app"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = running.start("--", str(script))
    assert (done.exit_code, "cannot be started: No such file" in done.stderr) == (2, True)


# --- the database --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lonely(server18: Server) -> Iterator[ThrowawayServer]:
    """A server that goes and comes."""
    with ThrowawayServer(port=free_port()) as server:
        yield server


@pytest.fixture
def away(lonely: ThrowawayServer, app: App) -> Iterator[App]:
    """An app whose server is down."""
    lonely.crash()
    yield replace(app, project=replace(app.project, directory=app.project.directory / "away", url=lonely.url()))
    lonely.crash()


def test_waits_for_a_server_that_comes_up_later(away: App, lonely: ThrowawayServer) -> None:
    process = away.begin("--", *UP)
    assert f"waiting for postgres on 127.0.0.1:{lonely.port}: No PostgreSQL answered" in until_said(process, "waiting")
    lonely.launch()
    done = finish(process, PATIENCE)
    assert (done.exit_code, done.stdout) == (0, "up\n")


def test_waits_while_the_server_is_still_recovering(away: App, lonely: ThrowawayServer) -> None:
    standby = Path(lonely._data, "standby.signal")
    standby.touch()
    options = f"-c hot_standby=off -c port={lonely.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
    lonely._run("pg_ctl", "-W", "-D", lonely._data, "-l", f"{lonely._data}/log", "-o", options, "start")
    process = away.begin("--", *UP)
    until_said(process, "not accepting connections")
    lonely.crash()
    standby.unlink()
    lonely.launch()
    assert finish(process, PATIENCE).stdout == "up\n"


def test_gives_up_after_the_timeout_also_where_a_port_is_open(app: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = Secret(f"postgresql://u:s3cretpw@127.0.0.1:{deaf.getsockname()[1]}/app")
        done = replace(app, project=replace(app.project, url=url)).start("--timeout", "2s", "--", *UP)
    assert (done.exit_code, done.stdout) == (3, "")
    assert 2 <= done.seconds < 30
    assert "database_unreachable, P1001" in done.stderr
    assert "s3cretpw" not in done.stderr


def test_a_login_alone_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def log_in_and_fall_silent() -> None:
            line, _ = listening.accept()
            with line:
                line.recv(1024)
                line.sendall(b"N")  # no TLS
                line.recv(1024)
                line.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
                while line.recv(1024):
                    pass

        thread = threading.Thread(target=log_in_and_fall_silent)
        thread.start()
        url = Secret(f"postgresql://u@127.0.0.1:{listening.getsockname()[1]}/d?sslmode=prefer&gssencmode=disable")
        began = time.monotonic()
        with pytest.raises(ConnectionLost):
            PostgresDatabase(parse_database_url(url)).ping(2.0)
        assert 1.5 < time.monotonic() - began < 40
        thread.join()


def test_a_refused_login_is_told_at_once_and_ends_after_a_grace(
    server18: Server, context_of: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "GRACE", 0.5)
    context, said = context_of(server18.url(server18.create(), password=Secret("wr0ngpw"))), list[str]()
    with pytest.raises(AuthenticationFailed, match=r"refused the login of .*It was tried for 1 s") as caught:
        wait_for_database(context, 30, said.append)
    assert (caught.value.exit_code, caught.value.prisma_code) == (2, "P1000")
    assert len(said) == 1
    assert "wr0ngpw" not in f"{said}{caught.value}{caught.value.hint}"


def test_a_database_that_is_still_being_set_up_is_waited_for(
    server18: Server, context_of: Callable[..., Context]
) -> None:
    name = f"late_{free_port()}"

    def set_up(sentence: str) -> None:
        assert f"There is no database '{name}'" in sentence
        server18.create(name)

    assert wait_for_database(context_of(server18.url(name)), 30, set_up) < 10


def test_when_waiting_ends() -> None:
    assert gives_up(60, until=60, refused_since=None)
    assert not gives_up(59, until=60, refused_since=None)
    assert not gives_up(59, until=60, refused_since=50)
    assert gives_up(59, until=90, refused_since=49)


def test_a_signal_during_the_wait_ends_it_promptly(app: App) -> None:
    nowhere = replace(app, project=replace(app.project, url=Secret("postgresql://u:p@127.0.0.1:1/app")))
    process = nowhere.begin("--", *UP)
    until_said(process, "waiting")
    process.send_signal(signal.SIGTERM)
    done = finish(process, PATIENCE)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.seconds < 5
    assert "start was interrupted" in done.stderr


# --- applying ------------------------------------------------------------------------------------------------------


def test_applies_what_is_pending_and_says_so_on_stderr_alone(running: App) -> None:
    running.write("2_more", "ALTER TABLE users ADD COLUMN nick text;")
    done = running.start(*UP)
    assert (done.exit_code, done.stdout) == (0, "up\n")
    assert "locktender: pending: 2_more\n" in done.stderr
    assert "locktender: applied 2_more (run " in done.stderr
    assert running.history() == [("1_init",), ("2_more",)]
    again = running.start(*UP)
    assert again.stderr.splitlines()[1:] == ["locktender: up to date", "locktender: starting sh"]
    assert len(running.runs()) == 2


def test_with_json_one_object_comes_before_the_command_s_own_output(app: App) -> None:
    told, up = app.start("--json", *UP).stdout.splitlines()
    answer = json.loads(told)
    assert (answer["ok"], answer["command"], up) == (True, "start", "up")
    assert (answer["result"]["outcome"], answer["result"]["applied"]) == ("applied", ["1_init"])


def test_a_failed_migration_is_undone_and_the_command_not_started(running: App) -> None:
    running.write("2_bad", "CREATE TABLE t (a int); SELECT 1/0;")
    done = running.start(*UP)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "division by zero (22012). The old state stands." in done.stderr
    assert ("t",) not in running.tables()
    assert len(running.runs()) == 2, "what cannot pass by itself is not tried again"


@pytest.mark.campaign
def test_what_may_pass_by_itself_is_tried_again_after_it_was_undone(running: App) -> None:
    busy = replace(running, project=replace(running.project, settings={"lock_timeout": '"50ms"', "attempts": "1"}))
    busy.write("2_more", "ALTER TABLE users ADD COLUMN nick text;")
    with busy.database.session() as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = busy.begin("--", *UP)
        until_said(process, "attempt 1 of 3 failed, the next in 2 s")
        session.execute("ROLLBACK")
    assert finish(process, PATIENCE).stdout == "up\n"
    assert len(busy.runs()) == 3
    busy.write("3_more", "ALTER TABLE users ADD COLUMN more text;")
    with busy.database.session() as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        done = busy.start("--attempts", "1", "--", *UP)
    assert (done.exit_code, done.stdout) == (3, "")


def test_a_history_that_contradicts_the_folder_is_refused(running: App) -> None:
    running.write("1_init", "CREATE TABLE other (id int);")
    done = running.start(*UP)
    assert (done.exit_code, done.stdout) == (5, "")
    assert "The files of applied migrations were edited: 1_init" in done.stderr
    older = replace(running, project=replace(running.project, migrations=running.project.directory / "older"))
    older.write("0_before", "SELECT 1;")
    assert "applied, but not in this version's folder: 1_init" not in older.start("--no-apply", *UP).stderr
    shutil.rmtree(older.project.migrations / "0_before")
    assert "applied, but not in this version's folder: 1_init" in older.start(*UP).stderr


def test_without_client_tools_it_says_what_to_do_in_a_container(running: App) -> None:
    bare = replace(running, project=replace(running.project, settings={"client_bin": '"/nowhere"'}))
    bare.write("2_more", "ALTER TABLE users ADD COLUMN nick text;")
    done = bare.start(*UP)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "build the application's image on Locktender's" in done.stderr
    assert "start with --no-apply" in done.stderr
    assert bare.history() == [("1_init",)]


def test_check_only_starts_the_command_only_if_all_is_applied(running: App) -> None:
    assert running.start("--check-only").exit_code == 0
    assert running.start("--check-only", *UP).stdout == "up\n"
    running.write("2_more", "SELECT 1;")
    for words in ((), UP):
        done = running.start("--check-only", *words)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "not ready: pending: 2_more" in done.stderr
    assert running.history() == [("1_init",)]


def test_no_apply_starts_the_command_and_says_what_is_pending(running: App) -> None:
    running.write("2_more", "SELECT 1;")
    done = running.start("--no-apply", *UP)
    assert (done.exit_code, done.stdout) == (0, "up\n")
    assert "not applied, as was asked: pending: 2_more" in done.stderr
    assert running.history() == [("1_init",)]


def asleep(app: App) -> Callable[[], bool]:
    query = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%napping%'"
    return lambda: app.rows(query) != []


def test_a_signal_during_the_apply_undoes_it(running: App) -> None:
    running.write("2_slow", "CREATE TABLE t (a int); SELECT pg_sleep(60); -- napping")
    process = running.begin(*UP)
    until(asleep(running))
    process.send_signal(signal.SIGTERM)
    done = finish(process, PATIENCE)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "Interrupted. The old state stands." in done.stderr
    assert ("t",) not in running.tables()


def test_killed_in_the_middle_the_next_start_settles_and_applies(running: App) -> None:
    running.write("2_slow", "CREATE TABLE t (a int); SELECT pg_sleep(2); -- napping")
    process = running.begin(*UP)
    until(asleep(running))
    process.kill()
    process.communicate()
    done = running.start(*UP)
    assert (done.exit_code, done.stdout) == (0, "up\n")
    assert "interrupted: " in done.stderr
    assert re.search(r"Run \S+ had died and left nothing behind", done.stderr)
    assert running.history() == [("1_init",), ("2_slow",)]
    assert running.start("--check-only").exit_code == 0


# --- many at once --------------------------------------------------------------------------------------------------


def unshare() -> tuple[str, ...]:
    """Namespaces of its own, as a container has; for others than root by way of a user namespace."""
    words = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")
    if not shutil.which("unshare") or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        missing("unshare, or the right to make namespaces")
    return words


def together(apps: list[App], *words: str) -> list[Ran]:
    processes = [each.begin(*words) for each in apps]
    return [finish(process, 2 * PATIENCE) for process in processes]


def in_containers(app: App, count: int) -> list[App]:
    """Each with process ids and a backup directory of its own, which all know by the same path."""
    app.project.backup_path.mkdir()
    made = []
    for number in range(count):
        own = app.project.directory / f"volume-{number}"
        own.mkdir()
        words = (*unshare(), "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", OWN_BACKUPS, "sh")
        made.append(replace(app, wrapper=(*words, str(own), str(app.project.backup_path))))
    return made


MORE = {
    "2_more": "ALTER TABLE users ADD COLUMN nick text;",
    "3_index": "CREATE INDEX CONCURRENTLY nicks ON users (nick); CREATE TABLE done (a int);",
    "4_last": "INSERT INTO users (id) SELECT max(id) + 1 FROM users;",
}


@pytest.mark.campaign
@pytest.mark.parametrize("replicas", REPLICAS)
def test_replicas_that_share_their_backups_apply_each_migration_once(running: App, replicas: int) -> None:
    for name, sql in MORE.items():
        running.write(name, sql)
    done = together([running] * replicas, "--", *UP)
    assert [(each.exit_code, each.stdout) for each in done] == [(0, "up\n")] * replicas, [each.said for each in done]
    assert running.history() == [("1_init",), *((name,) for name in MORE)]
    assert running.rows("SELECT count(*) FROM users") == [(2,)]
    assert len(running.runs()) == 2


@pytest.mark.parametrize("replicas", REPLICAS)
def test_replicas_in_containers_of_their_own_apply_each_migration_once(running: App, replicas: int) -> None:
    shutil.rmtree(running.project.backup_path)
    tested = replace(running, project=replace(running.project, backups={"test_restore": '"before_deploy"'}))
    for name, sql in MORE.items():
        tested.write(name, sql)
    done = together(in_containers(tested, replicas), "--", *UP)
    assert [(each.exit_code, each.stdout) for each in done] == [(0, "up\n")] * replicas, [each.said for each in done]
    assert tested.history() == [("1_init",), *((name,) for name in MORE)]
    assert tested.rows("SELECT count(*) FROM users") == [(2,)]


@pytest.mark.campaign
@pytest.mark.parametrize("replicas", REPLICAS)
def test_no_replica_starts_its_command_where_a_migration_fails(running: App, replicas: int) -> None:
    running.write("2_bad", "CREATE TABLE t (a int); SELECT 1/0;")
    before = running.tables()
    done = together([running] * replicas, "--", *UP)
    assert [(each.exit_code, each.stdout) for each in done] == [(3, "")] * replicas, [each.said for each in done]
    assert running.tables() == before
    assert running.history() == [("1_init",)]
    assert 2 <= len(running.runs()) <= 4, "the first one that had failed, and at most three attempts"


@pytest.mark.campaign
def test_others_are_not_waited_for_for_ever(running: App) -> None:
    running.write("2_slow", "SELECT pg_sleep(60); -- napping")
    with ended(running.begin(*UP)):
        until(asleep(running))
        done = running.start("--wait-for-others", "1s", *UP)
    assert (done.exit_code, done.stdout) == (5, "")
    assert "It was waited for 1 s" in done.stderr


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


# --- decisions -----------------------------------------------------------------------------------------------------


def found(**lists: tuple[str, ...]) -> StatusResult:
    none = dict.fromkeys(("applied", "pending", "failed", "edited", "missing", "out_of_order"), ())
    return StatusResult(**{**none, **lists}, format="prisma")  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["pending", "failed", "edited", "interrupted"])
def test_what_is_not_as_the_folder_says_is_applied_or_refused_under_the_locks(what: str) -> None:
    assert next_step(found(**{what: ("1",)}), allow_edited=False) == "apply"


def test_nothing_is_done_where_all_is_applied_or_made_by_a_newer_version() -> None:
    assert next_step(found(applied=("1",), missing=("2",)), allow_edited=False) == "ready"
    assert next_step(found(edited=("1",)), allow_edited=True) == "ready"


def record(run_id: str, outcome: str, **checksums: str) -> RunRecord:
    begun = Entry("run_started", "", {"operation": "apply", "migrations": checksums})
    return RunRecord(run_id, (begun, Entry("run_finished", "", {"outcome": outcome})))


def test_only_failures_since_then_with_the_same_files_count() -> None:
    records = [record("d", "rolled_back", m="1"), record("c", "rolled_back", m="2"), record("b", "deployed", m="1")]
    records.append(record("a", "needs_attention", m="1"))
    assert [r.run_id for r in failures_of_others(records, frozenset(), {"m": "1"})] == ["d", "a"]
    assert [r.run_id for r in failures_of_others(records, frozenset("a"), {"m": "1"})] == ["d"]


@pytest.mark.parametrize(
    "section",
    [{"server": RemoteServer("h", "u", Secret("k"), Secret("k"))}, {"app": Compose("/srv/app", ("web",))}],
    ids=lambda section: next(iter(section)),
)
def test_an_environment_that_is_described_from_outside_is_refused(
    section: dict[str, object], server18: Server, context_of: Callable[..., Context]
) -> None:
    context = context_of(server18.url("postgres"), **section)
    with pytest.raises(ConfigurationError, match="start works inside of that"):
        start(context, "apply", Limits(), lambda _: None)


def test_what_another_run_may_help_against() -> None:
    assert may_pass(ConnectionLost(""))
    assert may_pass(MigrationFailed("", details={"sqlstate": "55P03"}))
    assert not may_pass(MigrationFailed("", details={"sqlstate": "42601"}))
    assert not may_pass(NeedsAttention("", details={"sqlstate": "55P03"}))
