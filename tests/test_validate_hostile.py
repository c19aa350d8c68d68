"""``validate`` on what nobody should write: nothing of it runs elsewhere, nothing leaks, all of it ends.

As a pull request of the Action: ``action/test_malicious.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cli.screen import shown
from operations.adapters.clock import SystemClock
from operations.adapters.folder import read_folder
from operations.adapters.throwaway import ThrowawayServer
from operations.adapters.trial_server import database_at
from operations.adapters.trials import OwnServer
from operations.errors import ConnectionLost
from operations.ports import silent
from operations.validate import Question, validate
from operations.validation.building import build
from operations.validation.folders import Entry, Folder, Tree, folder_of
from operations.validation.model import Validation
from operations.validation.proving import prove
from operations.validation.reading import read_source
from operations.validation.trial import BASE, Trials
from operations.validation.trying import try_out

from .trials import Kept

NAME = "20240101000000_evil"
ROOT = Path(__file__).resolve().parents[1]


def hostile(script: str | bytes, trials: Trials | None = None, **limits: float) -> Validation:
    data = script.encode() if isinstance(script, str) else script
    head = Folder({NAME: Entry(NAME, data)})
    return validate(Question(head, Folder({}), trials or OwnServer(), SystemClock(), **limits))  # type: ignore[arg-type]


def test_a_script_gets_at_nothing_outside_its_database(trials: Kept, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary-in-a-file")
    secret.chmod(0o644)
    script = f"""
    CREATE TABLE stolen (t TEXT);
    DO $$ BEGIN COPY stolen FROM PROGRAM 'env'; EXCEPTION WHEN OTHERS THEN INSERT INTO stolen VALUES (SQLERRM); END $$;
    DO $$ BEGIN COPY stolen FROM '{secret}'; EXCEPTION WHEN OTHERS THEN INSERT INTO stolen VALUES (SQLERRM); END $$;
    DO $$ BEGIN INSERT INTO stolen SELECT pg_read_file('/proc/self/environ');
    EXCEPTION WHEN OTHERS THEN INSERT INTO stolen VALUES (SQLERRM); END $$;
    DO $$ BEGIN CREATE EXTENSION dblink; EXCEPTION WHEN OTHERS THEN INSERT INTO stolen VALUES (SQLERRM); END $$;
    DO $$ BEGIN ALTER ROLE locktender NOLOGIN; EXCEPTION WHEN OTHERS THEN INSERT INTO stolen VALUES (SQLERRM); END $$;
    DO $$ BEGIN ALTER DATABASE base RENAME TO x; EXCEPTION WHEN OTHERS THEN INSERT INTO stolen VALUES (SQLERRM); END $$;
    DO $$ BEGIN ALTER ROLE postgres PASSWORD 'x' VALID UNTIL '2000-01-01'; EXCEPTION WHEN OTHERS THEN NULL; END $$;
    ALTER ROLE postgres PASSWORD 'mine';
    ALTER ROLE postgres SET search_path = nowhere;
    DO $$ DECLARE all_of_it TEXT; BEGIN SELECT string_agg(t, E'\\n') INTO all_of_it FROM stolen;
    RAISE EXCEPTION '% %', (SELECT count(*) FROM stolen WHERE t ~ 'denied|must be owner|[Oo]nly'), all_of_it; END $$;
    """
    found = hostile(script, trials)
    (told,) = (f for f in found.findings if f.rule == "does-not-apply")
    assert told.message.startswith("6 "), told.message
    assert "canary" not in repr(found)
    assert "PATH=" not in repr(found)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("SET statement_timeout = 0; SELECT pg_sleep(1000);", "more than 2 s"),
        ("SELECT * FROM generate_series(1, 10000000000);", "more than 2 s"),
        ("SELECT pg_terminate_backend(pg_backend_pid());", "lost"),
    ],
)
def test_what_does_not_end_is_ended(script: str, why: str) -> None:
    found = hostile(script, seconds=2.0)
    assert [(f.rule, why in f.message) for f in found.findings if f.severity == "error"] == [("trial-ended", True)]


@pytest.mark.parametrize(
    "script",
    [
        "RAISE; " + "x" * 3000,
        "SELECT " + "(" * 50_000 + "1" + ")" * 50_000,
        "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 50000000); END $$;",
        "SELECT repeat('x', 1000000000);",
        "SET client_encoding = 'LATIN1'; CREATE TABLE \"é\" (a INT); SELECT 1/0;",
        "SET search_path = evil; CREATE SCHEMA evil; CREATE TABLE evil.pg_locks (a INT); SELECT 1/0",
        "SET ROLE pg_monitor; SELECT 1/0",
        "BEGIN; CREATE TABLE t (a INT); COMMIT; BEGIN; SELECT 1/0;",
        "CREATE TABLE t (a INT); COPY t FROM STDIN;",
        b"\xff\xfe\x00S",
        "\ufeffSELECT 1",
        "SELECT 1\0",
    ],
)  # fmt: skip
def test_odd_scripts_are_findings_and_no_crash(trials: Kept, script: str | bytes) -> None:
    found = hostile(script, trials)
    assert not found.ok
    assert all(len(f.message) < 3000 for f in found.findings)


LOUD = "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = repeat('x', 2000000), ERRCODE = '{}'; END $$;"


@pytest.mark.parametrize(
    ("script", "down"),
    [
        (LOUD.format("42501"), None),
        ("CREATE TABLE t (a INT);", LOUD.format("22000")),
        (f"COMMENT ON SCHEMA public IS '{'x' * 100_000}';", "SELECT 1;"),
    ],
    ids=["left out", "an undo that fails", "an undo that does not undo"],
)
def test_whatever_is_said_is_told_in_bearable_length(trials: Kept, script: str, down: str | None) -> None:
    head = Folder({NAME: Entry(NAME, script.encode(), down.encode() if down else None)})
    found = validate(Question(head, Folder({}), trials, SystemClock()))
    assert "xxx" in repr((found.notes, found.rollback_proof))
    assert max(map(len, (*found.notes, *(text for p in found.rollback_proof for text in p.differences)))) < 3000
    assert all(len(verdict.reason) < 3000 for verdict in found.verdicts.values())


@pytest.mark.parametrize("end", ["COMMIT; CREATE TABLE IF NOT EXISTS hidden (i INT)", "COMMIT; BEGIN", "ROLLBACK"])
def test_a_hidden_end_of_the_transaction_is_found_and_nothing_is_proved(trials: Kept, end: str) -> None:
    found = hostile(f"SET standard_conforming_strings = off;\nSELECT '\\''; {end}; --';", trials)
    (told,) = (f for f in found.findings if f.severity == "error")
    assert (told.rule, told.line, "has ended here" in told.message) == ("does-not-apply", 2, True)
    assert [(p.method, p.state) for p in found.rollback_proof] == [("transaction", "refuted")]
    assert found.whole
    assert [(v.atomic, v.rollback) for v in (found.verdicts[NAME], found.whole)] == [(False, "swap")] * 2


SHADOWING = """
CREATE SCHEMA evil;
CREATE TABLE public.x (a INT);
CREATE FUNCTION evil.no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.no(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.no(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.no(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.= (leftarg = text, rightarg = text, function = evil.no);
CREATE OPERATOR evil.= (leftarg = int, rightarg = int, function = evil.no);
CREATE OPERATOR evil.= (leftarg = name, rightarg = name, function = evil.no);
CREATE OPERATOR evil.>= (leftarg = oid, rightarg = oid, function = evil.no);
CREATE DOMAIN evil.oid AS pg_catalog.text;
CREATE DOMAIN evil.text AS pg_catalog.int4;
"""


def test_names_of_a_scripts_own_do_not_change_what_is_measured(trials: Kept) -> None:
    base = folder_of(Tree({"20240101000000_a/migration.sql": SHADOWING.encode()}))
    path = "SET search_path = evil, pg_catalog;\n"
    scripts = {"20240201000000_b": f"{path}ALTER TABLE public.x ADD b INT;",
               "20240202000000_c": f"{path}CREATE INDEX CONCURRENTLY i ON public.x (a);"}  # fmt: skip
    head = Folder({**base.migrations, **{name: Entry(name, sql.encode()) for name, sql in scripts.items()}})
    found = validate(Question(head, base, trials, SystemClock()))
    assert [f.rule for f in found.findings if f.severity == "error"] == []
    locks = {(run.file[-15], lock.relation, lock.mode) for run in found.statements for lock in run.locks}
    assert locks >= {("b", "public.x", "AccessExclusiveLock"), ("c", "public.x", "ShareUpdateExclusiveLock")}
    assert {p.state for p in found.rollback_proof if p.method == "transaction"} == {"proved"}


def test_a_try_that_has_left_something_on_the_base_is_not_proved_there_to_leave_nothing(trials: Kept) -> None:
    source, _ = read_source(Entry(NAME, b"CREATE TABLE IF NOT EXISTS stays (i INT);"))
    assert source
    with trials.open([]) as trial:
        base = build(trial, [], silent)
        with trial.session(BASE) as session:
            tried = try_out(session, [source], True, base, silent, commit=False)
            session.execute("CREATE TABLE stays (i INT)")
        proof = prove(trial, BASE, tried, silent).proofs[0]
    assert (proof.method, proof.state) == ("transaction", "refuted")
    assert "added table public.stays" in proof.differences


def test_a_server_that_goes_away_is_no_fault_of_the_down_script_that_it_was_at() -> None:
    source, _ = read_source(Entry(NAME, b"CREATE TABLE e (a INT);", b"DROP TABLE e; SELECT pg_sleep(600);"))
    assert source
    asleep = "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND wait_event = 'PgSleep'"

    def crash(server: ThrowawayServer) -> None:
        with database_at(server.url()).session() as session:
            while not session.rows(asleep):
                time.sleep(0.05)
        server.crash()

    with OwnServer().open([]) as trial:
        base = build(trial, [], silent)
        with trial.session(BASE) as session:
            tried = try_out(session, [source], True, base, silent, commit=False)
        thread = threading.Thread(target=crash, args=(trial._process,), daemon=True)
        thread.start()
        found = prove(trial, BASE, tried, silent)
        thread.join(60)
    assert isinstance(found.broken, ConnectionLost)
    assert found.findings == []
    assert [proof.method for proof in found.proofs] == ["transaction"]


DEEP = """
import threading
from concurrent.futures import ThreadPoolExecutor
from operations.validation.folders import Entry
from operations.validation.reading import beside, read_source
threading.stack_size(2 << 20)
entry = Entry("20240101000000_deep", b"SELECT 1" + b" UNION SELECT 1" * 9_900)
with ThreadPoolExecutor(1) as threads:
    print(beside(threads, lambda: read_source(entry)[0].script.verdict.atomic).result())
"""


def test_what_nests_deeply_does_not_overflow_the_thread_that_reads_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DEEP], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_long_scripts_come_to_an_end(trials: Kept) -> None:
    found = hostile("CREATE TABLE t (a INT);\n" + "INSERT INTO t VALUES (1);\n" * 5_000 + "SELECT nope;", trials)
    (told,) = (f for f in found.findings if f.severity == "error")
    assert (told.line, told.column) == (5_002, 8)
    assert len(found.statements) < 20


def test_links_are_not_followed_and_large_files_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SELECT 'canary';")
    folder = tmp_path / "migrations"
    for name in ("20240101000000_a", "20240102000000_b", "20240104000000_d"):
        (folder / name).mkdir(parents=True)
    (folder / "20240101000000_a" / "migration.sql").symlink_to(secret)
    (folder / "20240103000000_c").symlink_to(tmp_path)
    os.mkfifo(folder / "20240102000000_b" / "migration.sql")
    with (folder / "20240104000000_d" / "migration.sql").open("wb") as file:
        file.truncate(1 << 30)
    found = validate(Question(folder_of(read_folder(folder)), Folder({}), OwnServer(), SystemClock()))
    assert sorted((f.rule, f.file) for f in found.findings) == [
        ("symbolic-link", "20240101000000_a/migration.sql"),
        ("symbolic-link", "20240102000000_b/migration.sql"),
        ("symbolic-link", "20240103000000_c"),
        ("too-large", "20240104000000_d/migration.sql"),
    ]
    assert "canary" not in repr(found)


def test_names_cannot_move_a_terminals_cursor() -> None:
    assert shown("a\x1b[2Jb\r\u202ec\n") == "a\\x1b[2Jb\\r\\u202ec\n"
