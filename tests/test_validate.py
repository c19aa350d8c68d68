"""``validate``: new migrations, tried on a throwaway server of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from operations import catalog
from operations.adapters.clock import SystemClock
from operations.adapters.kept_clusters import PREPARED_PASSWORD, longest, prepare
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import ThrowawayServer
from operations.adapters.trial_server import SUPERUSER, make_roles
from operations.adapters.trials import NamedServer, OwnServer
from operations.adapters.trials_ahead import Ahead
from operations.database_url import parse_database_url
from operations.errors import AuthenticationFailed, CommandFailed, StatementFailed
from operations.migrations.script import read_script
from operations.ports import silent
from operations.secret import Secret
from operations.validate import BASE_RENEWED, Question, validate
from operations.validation.building import build
from operations.validation.folders import Entry, Folder, Tree, folder_of
from operations.validation.model import Loss, LostRows, Validation
from operations.validation.reading import read_source
from operations.validation.replay import Replay
from operations.validation.trial import BASE as BASE_DATABASE
from operations.validation.trying import try_out

from .conftest import Server
from .trials import Kept

INIT = """CREATE TABLE "User" (id SERIAL PRIMARY KEY, email TEXT NOT NULL);
CREATE TYPE mood AS ENUM ('good', 'bad');
INSERT INTO "User" (email) VALUES ('a@example.com'), ('b@example.com');
"""
BASE = {"20240101000000_init": INIT}


def folder(scripts: Mapping[str, str], downs: Mapping[str, str] | None = None) -> Folder:
    files = {f"{name}/migration.sql": text.encode() for name, text in scripts.items()}
    files |= {f"{name}/down.sql": text.encode() for name, text in (downs or {}).items()}
    return folder_of(Tree(files))


Tried = Callable[..., Validation]


@pytest.fixture
def tried(trials: Kept) -> Tried:
    """Validate scripts on top of BASE."""

    def run(*scripts: str, downs: tuple[str | None, ...] = (), **changes: Any) -> Validation:
        names = [f"202402{number:02}000000_new" for number in range(1, len(scripts) + 1)]
        written = {name: down for name, down in zip(names, downs, strict=False) if down is not None}
        head = folder({**BASE, **dict(zip(names, scripts, strict=True))}, written)
        return validate(replace(Question(head, folder(BASE), trials, SystemClock()), **changes))

    return run


def test_a_good_migration_passes_and_says_what_it_will_do(tried: Tried) -> None:
    found = tried('ALTER TABLE "User" ADD COLUMN "age" INTEGER;\nCREATE INDEX i ON "User"(email);')
    assert (found.ok, [f.rule for f in found.findings]) == (True, ["require-concurrent-index-creation"])
    assert [run.kind for run in found.statements] == ["ALTER TABLE", "CREATE INDEX"]
    assert {(lock.relation, lock.mode) for lock in found.statements[0].locks} == {
        ('public."User"', "AccessExclusiveLock")
    }
    assert found.statements[1].scans == ('public."User"',)
    assert [(c.change, c.kind, c.object, c.after) for c in found.schema_changes] == [
        ("added", "column", 'public."User".age', "integer"),
        ("added", "index", "public.i", 'CREATE INDEX i ON public."User" USING btree (email)'),
    ]
    assert found.diagram
    assert 'integer age "added"' in found.diagram
    assert found.verdicts["20240201000000_new"].atomic


def test_a_rewrite_is_seen(tried: Tried) -> None:
    found = tried('ALTER TABLE "User" ALTER COLUMN id TYPE BIGINT;')
    assert found.statements[0].rewrites == ('public."User"',)


def test_scans_are_those_of_the_statement_and_not_of_transactions_before(tried: Tried) -> None:
    add = 'ALTER TABLE "User" ADD COLUMN {} INT;'
    found = tried(
        'CREATE INDEX CONCURRENTLY i ON "User"(email);', add.format("a"),
        f'CREATE INDEX CONCURRENTLY k ON "User"(email); {add.format("b")}',
        'UPDATE "User" SET a = 1;', add.format("c"),
    )  # fmt: skip
    read = {("CREATE INDEX CONCURRENTLY", True), ("UPDATE", True), ("ALTER TABLE", False)}
    assert {(run.kind, bool(run.scans)) for run in found.statements} == read


DANGEROUS = {
    "require-concurrent-index-creation": 'CREATE INDEX i ON "User"(email);',
    "adding-foreign-key-constraint": 'ALTER TABLE "User" ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES "User"(id);',
    "constraint-missing-not-valid": 'ALTER TABLE "User" ADD CONSTRAINT c CHECK (id > 0);',
    "ban-drop-not-null": 'ALTER TABLE "User" ALTER COLUMN email DROP NOT NULL;',
    "adding-not-nullable-field": 'ALTER TABLE "User" ALTER COLUMN email SET NOT NULL;',
    "changing-column-type": 'ALTER TABLE "User" ALTER COLUMN id TYPE BIGINT;',
    "whole-table-update": 'ALTER TABLE "User" ADD COLUMN x INT; UPDATE "User" SET x = 1;',
    "renaming-column": 'ALTER TABLE "User" RENAME COLUMN x TO y; ALTER TABLE "User" RENAME COLUMN id TO "userId";',
    "adding-required-field": 'ALTER TABLE "User" ADD COLUMN z TEXT NOT NULL;',
    "ban-drop-column": 'ALTER TABLE "User" DROP COLUMN email;',
    "renaming-table": 'ALTER TABLE "User" RENAME TO "Person";',
    "ban-drop-table": 'DROP TABLE "Person";',
}


def test_none_of_the_dangerous_kinds_is_missed_on_a_table_that_stood_before(tried: Tried) -> None:
    """Even of those that come after one that fails because of the table's rows."""
    found = tried(*DANGEROUS.values(), levels={"ban-drop-not-null": "warning"})
    told = {(finding.file.partition("/")[0], finding.rule) for finding in found.findings if finding.severity != "note"}
    assert {(f"202402{n:02}000000_new", rule) for n, rule in enumerate(DANGEROUS, 1)} <= told
    assert ("20240209000000_new", "does-not-apply") in told


def test_the_same_on_a_table_that_the_new_files_make_is_no_finding(tried: Tried) -> None:
    found = tried('CREATE TABLE "T" (id INT PRIMARY KEY, email TEXT NOT NULL);', *(
        sql.replace('"User"', '"T"') for rule, sql in DANGEROUS.items()
    ))  # fmt: skip
    assert [(f.rule, f.line) for f in found.findings if f.severity != "note"] == []
    assert found.ok


EVERY_KIND = """
ALTER TYPE mood ADD VALUE 'so so';
CREATE TYPE size AS ENUM ('s', 'm');
ALTER TABLE "User" ALTER COLUMN email TYPE VARCHAR(200), ADD COLUMN age INT DEFAULT 7, ADD CONSTRAINT c CHECK (id > 0);
CREATE INDEX i ON "User"(email);
CREATE FUNCTION f(INT) RETURNS INT LANGUAGE sql AS 'SELECT 1';
CREATE POLICY p ON "User" USING (true);
GRANT SELECT ON "User" TO PUBLIC;
CREATE TABLE t (id INT PRIMARY KEY);
"""


def test_what_changes_is_told_before_and_after_for_every_kind_of_object(tried: Tried) -> None:
    found = tried(EVERY_KIND)
    told = {(c.change, c.kind, c.object): (c.before, c.after) for c in found.schema_changes}
    before, after = told.pop(("changed", "table", 'public."User"'))
    assert ("PUBLIC SELECT" in (before or ""), "PUBLIC SELECT" in (after or "")) == (False, True)
    assert told == {
        ("changed", "type", "public.mood"): ("enum ('good', 'bad')", "enum ('good', 'bad', 'so so')"),
        ("added", "type", "public.size"): (None, "enum ('s', 'm')"),
        ("changed", "column", 'public."User".email'): ("text NOT NULL", "character varying(200) NOT NULL"),
        ("added", "column", 'public."User".age'): (None, "integer DEFAULT 7"),
        ("added", "constraint", 'public."User".c'): (None, "CHECK ((id > 0))"),
        ("added", "index", "public.i"): (None, 'CREATE INDEX i ON public."User" USING btree (email)'),
        ("added", "function", "public.f(integer)"): (
            None,
            "CREATE OR REPLACE FUNCTION public.f(integer)\n RETURNS integer\n LANGUAGE sql\n"
            "AS $function$SELECT 1$function$",
        ),
        ("added", "policy", 'public."User".p'): (None, "FOR ALL TO PUBLIC USING (true)"),
        ("added", "table", "public.t"): (None, "id integer NOT NULL\nt_pkey PRIMARY KEY (id)"),
    }


def test_what_has_landed_is_never_linted(trials: Kept) -> None:
    landed = {**BASE, "20240102000000_old": 'CREATE INDEX i ON "User"(email); ALTER TABLE "User" DROP COLUMN email;'}
    head = folder({**landed, "20240201000000_new": "SELECT 1;"})
    assert validate(Question(head, folder(landed), trials, SystemClock())).findings == ()


@pytest.mark.parametrize(
    ("script", "line", "column", "sqlstate"),
    [
        ("SELECT 1;\n  ALTER TABLE nope ADD COLUMN a INT;", 2, 3, "42P01"),
        ('SELECT 1;\nALTER TABLE "User" ADD COLUMN é INT,\n  ADD COLUMN b nope;', 3, 16, "42704"),
        ("SELECT 1;\nSELEC 2;", 2, 1, "42601"),
        ("CREATE TABLE t (a INT REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED);", 1, 1, "42830"),
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b INT REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED);\n"
            "INSERT INTO t VALUES (1, 2);",
            2, 1, "23503",
        ),
        ("CREATE INDEX CONCURRENTLY i ON nope(a);", 1, 1, "42P01"),
    ],
)  # fmt: skip
def test_a_script_that_does_not_apply_is_an_error_at_its_place(
    tried: Tried, script: str, line: int, column: int, sqlstate: str
) -> None:
    found = tried(script)
    (finding,) = found.findings
    assert (finding.rule, finding.line, finding.column) == ("does-not-apply", line, column)
    assert f"({sqlstate})" in finding.message
    assert not found.ok


@pytest.mark.campaign
def test_a_base_that_was_kept_gives_the_same_answer(tmp_path: Path) -> None:
    question = asked_about_a_column(tmp_path / "cache")
    first, second = validate(question), validate(question)
    assert first.schema_changes == second.schema_changes
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.campaign
def test_a_kept_base_that_is_not_what_it_was_gives_way(tmp_path: Path) -> None:
    question = asked_about_a_column(tmp_path / "cache")
    first = validate(question)
    (entry,) = (tmp_path / "cache").iterdir()
    kept = entry / "kept.json"
    said = kept.read_text()
    kept.write_text(said.replace(json.loads(said)["fingerprint"], "0" * 64))
    assert validate(question).schema_changes == first.schema_changes
    assert kept.read_text() == said  # it was not what was put by, so it was built anew
    shutil.rmtree(entry / "data" / "global")
    assert validate(question).schema_changes == first.schema_changes
    assert (entry / "data" / "global").exists()  # what did not start gave way
    version = max((entry / "data" / "base").iterdir(), key=lambda path: int(path.name)) / "PG_VERSION"
    version.unlink()  # the server starts, and refuses to open the database
    (entry.parent / "new.tmp").mkdir()
    (entry.parent / "old.tmp").mkdir()
    os.utime(entry.parent / "old.tmp", (0, 0))
    assert validate(question).schema_changes == first.schema_changes
    assert version.exists()
    assert {path.name for path in entry.parent.iterdir()} == {entry.name, "new.tmp"}


def asked_about_a_column(cache: Path) -> Question:
    head = folder({**BASE, "20240201000000_new": 'ALTER TABLE "User" ADD COLUMN a INT;'})
    return Question(head, folder(BASE), OwnServer(cache), SystemClock())


def rows_of_the_user_table(data: Path) -> Path:
    (found,) = (path for path in data.glob("base/*/*") if b"@example.com" in path.read_bytes())
    return found


def other_rows(data: Path) -> None:
    """The checksum of their page does not hold any more."""
    rows = rows_of_the_user_table(data)
    rows.write_bytes(rows.read_bytes().replace(b"a@example.com", b"b@example.com"))


def a_page_without_a_head(data: Path) -> None:
    """The server takes it, and panics as soon as it writes to it."""
    rows = rows_of_the_user_table(data)
    page = bytearray(rows.read_bytes())
    page[12:14] = (16).to_bytes(2, sys.byteorder)  # pd_lower, less than a page's head is long
    rows.write_bytes(page)
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write("ignore_checksum_failure = on\n")


@pytest.mark.campaign
@pytest.mark.parametrize("damage", [other_rows, a_page_without_a_head])
def test_a_kept_base_whose_damage_shows_only_later_is_built_anew_once_and_that_is_said(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    head = folder({**BASE, "20240201000000_new": "INSERT INTO \"User\" (email) VALUES ('c@example.com');"})
    question = Question(head, folder(BASE), OwnServer(tmp_path), SystemClock())
    sound = validate(question)
    (entry,) = tmp_path.iterdir()
    damage(entry / "data")
    damaged = rows_of_the_user_table(entry / "data").read_bytes()
    found = validate(question)
    assert (found.ok, found.findings, found.rollback_proof) == (True, sound.findings, sound.rollback_proof)
    assert (sound.notes, found.notes) == ((), (BASE_RENEWED,))
    (entry,) = tmp_path.iterdir()
    assert rows_of_the_user_table(entry / "data").read_bytes() != damaged


@pytest.mark.campaign
def test_a_migration_that_ends_its_own_session_is_no_reason_to_build_a_base_again_and_again(tried: Tried) -> None:
    assert tried("SELECT 1;").ok
    found = tried("SELECT pg_terminate_backend(pg_backend_pid());")
    assert ([f.rule for f in found.findings], found.notes) == (["trial-ended"], (BASE_RENEWED,))


@pytest.mark.parametrize(("file", "torn"), [("password", b""), ("password", b"\0\xff"), ("kept.json", b"[]")])
def test_a_kept_base_with_torn_files_is_none(tmp_path: Path, file: str, torn: bytes) -> None:
    (tmp_path / "postgres").write_bytes(b"12345")
    entry = tmp_path / "cache" / f"{'a' * 40}-5"
    (entry / "data").mkdir(parents=True)
    (entry / "kept.json").write_text('{"troubles": [], "fingerprint": "f"}')
    (entry / "password").write_text("word")
    history = ["a" * 64, "b" * 64]
    assert longest(tmp_path / "cache", tmp_path, history)
    (entry / file).write_bytes(torn)
    assert longest(tmp_path / "cache", tmp_path, history) is None


def test_that_a_base_cannot_be_kept_is_no_fault_of_the_migrations(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("no directory")
    head = folder({**BASE, "20240201000000_new": 'ALTER TABLE "User" ADD COLUMN a INT;'})
    assert validate(Question(head, folder(BASE), OwnServer(cache), SystemClock())).ok


def test_what_has_landed_and_rolls_back_does_not_begin_where_the_file_before_it_ended(trials: Kept) -> None:
    landed = {
        "20240101000000_init": "CREATE SCHEMA s; SET search_path TO s;",
        "20240102000000_rolls_back": "SELECT 1; ROLLBACK; CREATE TABLE t (a INT);",
    }
    head = folder({**landed, "20240201000000_new": "ALTER TABLE public.t ADD COLUMN b INT;"})
    found = validate(Question(head, folder(landed), trials, SystemClock()))
    assert (found.ok, found.notes) == (True, ())


@pytest.mark.campaign
def test_a_cluster_that_was_prepared_is_begun_with_and_has_another_password(tmp_path: Path) -> None:
    with ThrowawayServer(superuser=SUPERUSER, by_socket=True, password=PREPARED_PASSWORD) as process:
        make_roles(process)
        prepare(tmp_path / "clusters", process)
        with PostgresDatabase(parse_database_url(process.url())).session() as session:
            own = session.rows("SELECT system_identifier FROM pg_control_system()")
    with OwnServer(prepared=tmp_path / "clusters").open([]) as trial:
        trial.create("base")
        with trial.session("base") as session:
            assert session.rows("SELECT system_identifier FROM pg_control_system()") == own
            assert session.rows("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user") == [
                ("postgres", False)
            ]
        url = Secret(f"postgresql://{SUPERUSER}:prepared@localhost/postgres?host={trial._directory}")
        with pytest.raises(AuthenticationFailed):
            PostgresDatabase(parse_database_url(url)).connect()


def test_a_server_that_was_started_ahead_leaves_nothing_behind_even_where_nobody_used_it() -> None:
    found: list[Path] = []

    @contextmanager
    def started() -> Iterator[Any]:
        with OwnServer().open([]) as trial:
            assert trial._directory
            found.append(trial._directory)
            yield trial

    ahead = Ahead(started)
    ahead.close()
    assert [directory.exists() for directory in found] == [False]


@pytest.mark.campaign
def test_a_server_that_does_not_start_ahead_says_so_to_who_wants_it(tmp_path: Path) -> None:
    (tmp_path / "initdb").write_text("#!/bin/false\n")
    (tmp_path / "postgres").touch()
    ahead = Ahead(lambda: OwnServer(binaries=tmp_path, prepared=tmp_path / "none").open([]))
    with pytest.raises((CommandFailed, OSError)), ahead.open([]):
        pass
    ahead.close()


def test_on_a_named_server_nothing_is_left_behind(server: Server) -> None:
    database = server.owned()

    def databases() -> set[str]:
        with database.session() as session:
            return {name for (name,) in session.rows("SELECT datname FROM pg_database") if "validate" in name}

    head = folder({**BASE, "20240201000000_new": 'ALTER TABLE "User" ADD COLUMN a INT;'})
    found = validate(Question(head, folder(BASE), NamedServer(database), SystemClock()))
    assert found.ok
    assert found.server_version.startswith(str(server.major))
    assert not found.notes
    assert not databases()


IN_A_SCHEMA = """
ALTER TABLE "User" ADD COLUMN a INT;
UPDATE "User" SET a = 1;
CREATE INDEX i ON "User"(email);
"""


def told_in_a_schema(found: Validation) -> None:
    assert [f.rule for f in found.findings] == ["whole-table-update", "require-concurrent-index-creation"]
    assert {c.object for c in found.schema_changes} == {'shop."User".a', "shop.i"}
    assert {lock.relation for run in found.statements for lock in run.locks} == {'shop."User"'}
    assert [(p.method, p.state) for p in found.rollback_proof] == [("transaction", "proved"), ("proposed", "lossy")]


def test_tables_that_live_in_another_schema_are_made_and_found_there(tried: Tried) -> None:
    told_in_a_schema(tried(IN_A_SCHEMA, schema="shop"))
    (finding,) = tried('ALTER TABLE public."User" ADD COLUMN a INT;', schema="shop").findings
    assert (finding.rule, "42P01" in finding.message) == ("does-not-apply", True)


@pytest.mark.campaign
def test_on_a_named_server_they_do_so_too_and_a_kept_base_is_of_one_schema(server18: Server, tmp_path: Path) -> None:
    head = folder({**BASE, "20240201000000_new": IN_A_SCHEMA})
    question = Question(head, folder(BASE), NamedServer(server18.owned()), SystemClock(), schema="shop")
    told_in_a_schema(validate(question))
    kept = replace(question, trials=OwnServer(tmp_path / "cache"))
    assert {c.object for c in validate(replace(kept, schema=None)).schema_changes} == {'public."User".a', "public.i"}
    told_in_a_schema(validate(kept))


UNDONE = [
    ('ALTER TABLE "User" ADD COLUMN a INT;', ("lossy", ('column public."User".a',))),
    ("CREATE TABLE t (id SERIAL PRIMARY KEY);", ("lossy", ("table public.t",))),
    ('CREATE INDEX i ON "User"(email);', ("proved", ())),
    ('CREATE INDEX CONCURRENTLY k ON "User"(email);', ("proved", ())),
    ('ALTER TABLE "User" ALTER COLUMN email DROP NOT NULL;', ("proved", ())),
    ("ALTER TABLE \"User\" ALTER COLUMN email SET DEFAULT 'x';", ("proved", ())),
    ('ALTER TABLE "User" ADD CHECK (id > 0);', ("proved", ())),
    ('ALTER TABLE "User" ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON "User" USING (true);', ("proved", ())),
    ('ALTER TABLE "User" ADD COLUMN b INT; UPDATE "User" SET b = id;', ("lossy", ('column public."User".b',))),
    ("CREATE TABLE IF NOT EXISTS u (id INT); INSERT INTO u VALUES (1);", ("lossy", ("table public.u",))),
    (
        "CREATE TABLE a (id INT PRIMARY KEY, b INT); CREATE TABLE IF NOT EXISTS b (id INT PRIMARY KEY, a INT);"
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b(id); ALTER TABLE b ADD FOREIGN KEY (a) REFERENCES a(id);",
        ("lossy", ("table public.a", "table public.b")),
    ),
    (
        "CREATE TABLE p (i INT PRIMARY KEY) PARTITION BY RANGE (i); INSERT INTO p SELECT 1 WHERE false;"
        "CREATE TABLE IF NOT EXISTS p1 PARTITION OF p FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (i);"
        'CREATE TABLE p1a PARTITION OF p1 FOR VALUES FROM (0) TO (5); CREATE TABLE c () INHERITS ("User");',
        ("lossy", ("table public.c", "table public.p", "table public.p1", "table public.p1a")),
    ),
    ("CREATE FUNCTION f(INT) RETURNS INT LANGUAGE sql AS 'SELECT 1';", ("proved", ())),
    ("DROP INDEX i;", ("proved", ())),
    ('ALTER TABLE a DROP CONSTRAINT "a_b_fkey";', ("proved", ())),
    ("DROP FUNCTION f(INT);", ("proved", ())),
    (
        'GRANT SELECT, INSERT ON "User" TO PUBLIC; ALTER TABLE a ENABLE ROW LEVEL SECURITY;'
        'GRANT USAGE ON SEQUENCE "User_id_seq" TO PUBLIC; REVOKE USAGE ON TYPE mood FROM PUBLIC;',
        ("proved", ()),
    ),
]
NOT_UNDONE = [
    'ALTER TABLE "User" ADD COLUMN c TEXT DEFAULT \'a\';\nALTER TABLE "User" DROP COLUMN email;',
    'UPDATE "User" SET id = id + 1 WHERE false;',
    "ALTER TYPE mood ADD VALUE 'so so';",
    'DELETE FROM "User" WHERE false;',
    'DO $$ BEGIN DELETE FROM "User" WHERE false; END $$;',
    'INSERT INTO "User" (id) SELECT id FROM "User" WHERE false;',
    'ALTER TABLE "User" ALTER COLUMN id TYPE BIGINT;',
]


def test_what_the_catalog_can_undo_is_proposed_and_proved(tried: Tried) -> None:
    scripts = [script for script, _ in UNDONE]
    found = tried(*scripts)
    proofs = [p for p in found.rollback_proof if p.method != "transaction"]
    assert [p.method for p in proofs] == ["proposed"] * len(UNDONE)
    assert [(p.state, p.lost) for p in proofs] == [expected for _, expected in UNDONE]
    assert all(p.state == "proved" for p in found.rollback_proof if p.method == "transaction")
    few = 3
    again = tried(*scripts[:few], downs=tuple(p.proposal for p in proofs[:few]))
    assert [(p.method, p.state) for p in again.rollback_proof if p.method != "transaction"] == [
        ("down", state) for _, (state, _) in UNDONE[:few]
    ]


def test_a_way_back_that_a_deploy_would_not_find_counts_only_once_it_is_committed(tried: Tried) -> None:
    make = 'CREATE INDEX CONCURRENTLY i ON "User"(email);'
    drop, down = "DROP INDEX CONCURRENTLY i;", 'CREATE INDEX i ON "User"(email);'
    found = tried(make, drop)
    assert [(p.method, p.state, p.by_itself) for p in found.rollback_proof] == [
        ("proposed", "proved", True), ("proposed", "proved", False),
    ]  # fmt: skip
    assert [verdict.rollback for verdict in found.verdicts.values()] == ["down", "swap"]
    assert [verdict.rollback for verdict in tried(make, drop, downs=(None, down)).verdicts.values()] == ["down"] * 2


def test_what_cannot_be_undone_for_certain_is_not_proposed(tried: Tried) -> None:
    found = tried(*NOT_UNDONE)
    ways = [(p.method, p.state) for p in found.rollback_proof if p.method != "transaction"]
    assert ways == [("swap", "unproved")] * len(NOT_UNDONE)


FILLS = """
CREATE TABLE t AS SELECT generate_series(1, 5) i;
ALTER TABLE "User" ADD COLUMN a INT, ADD COLUMN b INT;
CREATE TABLE parts (i INT) PARTITION BY RANGE (i);
CREATE TABLE part PARTITION OF parts DEFAULT;
INSERT INTO parts VALUES (1);
"""


def test_what_an_undo_would_lose_is_counted_and_so_are_the_rows(tried: Tried) -> None:
    def losses(**changes: Any) -> list[Loss | None]:
        down = 'DROP TABLE parts, t; ALTER TABLE "User" DROP COLUMN a, DROP COLUMN b;'
        found = tried(FILLS, 'CREATE INDEX i ON "User"(email);', downs=(down,), **changes)
        return [proof.loss for proof in found.rollback_proof if proof.method != "transaction"]

    here = LostRows('public."User"', 2, "trial")
    new = (LostRows("public.part", 1, "trial"), LostRows("public.t", 5, "trial"))
    assert losses() == [Loss(3, 2, (here, *new)), None]
    there = LostRows('public."User"', 4321, "environment")
    assert losses(rows={("public", "User"): 4321}) == [Loss(3, 2, (there, *new)), None]
    assert losses(rows={("public", "t"): 7})[0] == Loss(3, 2, (replace(here, rows=None, counted_in="rollback"), *new))


def test_rows_that_were_put_there_for_the_proof_are_none_that_would_be_lost(tried: Tried) -> None:
    found = tried("CREATE TABLE t (a INT);", "ALTER TABLE t ADD COLUMN b INT; CREATE TABLE u AS SELECT a FROM t;")
    assert [proof.loss for proof in found.rollback_proof if proof.loss] == [
        Loss(1, 0, (LostRows("public.t", 0, "trial"),)),
        Loss(1, 1, (LostRows("public.t", 0, "trial"), LostRows("public.u", 0, "trial"))),
    ]


@pytest.mark.parametrize(
    ("script", "down", "told"),
    [
        ('ALTER TABLE "User" DROP COLUMN email;', 'ALTER TABLE "User" ADD email TEXT NOT NULL DEFAULT \'\';', "email"),
        ('CREATE INDEX i ON "User"(email);', "SELECT 1;", "index"),
        ('CREATE INDEX i ON "User"(email);', "DROP INDEX j;", "42704"),
        ('UPDATE "User" SET email = \'x\';', 'UPDATE "User" SET email = \'y\';', 'rows of public."User"'),
        ("CREATE TABLE e (a INT); ALTER TABLE e ADD b INT", "DROP TABLE e; DELETE FROM \"User\";", "held 2 rows"),
        ("CREATE TABLE e (a INT);", "DROP TABLE e; SELECT setval('\"User_id_seq\"', 1);", "then gives 2 again"),
        ("CREATE TABLE e (a INT);", "DROP TABLE e; COPY \"User\" FROM STDIN;", "COPY from or to the client"),
    ],
)  # fmt: skip
def test_a_down_script_that_does_not_undo_is_an_error(tried: Tried, script: str, down: str, told: str) -> None:
    found = tried(script, downs=(down,))
    (finding,) = (f for f in found.findings if f.file.endswith("down.sql"))
    assert (finding.rule, finding.severity, finding.line) == ("down-does-not-undo", "error", 1)
    assert told in finding.message
    assert not found.ok
    assert next(p for p in found.rollback_proof if p.method == "down").state == "refuted"


def test_rows_are_put_into_empty_tables_so_that_losing_them_shows(tried: Tried) -> None:
    script, down = "ALTER TABLE t DROP COLUMN b;", "ALTER TABLE t ADD COLUMN b TEXT;"
    found = tried("CREATE TABLE t (a mood PRIMARY KEY, b TEXT);", script, downs=(None, down))
    assert [p.state for p in found.rollback_proof if p.method == "down"] == ["refuted"]


def test_a_migration_that_fails_with_rows_is_proved_without(tried: Tried) -> None:
    found = tried("CREATE TABLE t (a INT);", "ALTER TABLE t ADD COLUMN b INT NOT NULL;")
    assert [p.state for p in found.rollback_proof] == ["proved", "lossy", "proved", "lossy"]
    assert "with rows in them it fails" in found.notes[-1]


ROLES = """
CREATE TABLE role (id SERIAL PRIMARY KEY, name TEXT);
CREATE TABLE perm (role_id INT REFERENCES role(id));
CREATE TABLE other (a INT);
"""
ROLE = "INSERT INTO role (name) VALUES ('d');\n"


@pytest.mark.parametrize(
    ("landed", "script", "without_rows"),
    [
        ("INSERT INTO role (name) VALUES ('a'), ('b'), ('c');", "INSERT INTO perm VALUES (4);", 0),
        (
            "ALTER SEQUENCE role_id_seq RESTART WITH 100;",
            "INSERT INTO perm VALUES (100); ALTER TABLE other ADD COLUMN b INT NOT NULL;",
            1,
        ),
    ],
)
def test_each_try_finds_the_sequences_where_they_stood(
    trials: Kept, landed: str, script: str, without_rows: int
) -> None:
    base = {"20240101000000_init": ROLES + landed}
    head = folder({**base, "20240201000000_new": ROLE + script}, {"20240201000000_new": "SELECT 1;"})
    found = validate(Question(head, folder(base), trials, SystemClock()))
    proofs = [(p.method, p.state) for p in found.rollback_proof]
    assert proofs[-2:] == [("transaction", "proved"), ("down", "refuted")]
    assert [("undone on empty tables only" in note, "second time" in note) for note in found.notes] == (
        [(True, False)] * without_rows
    )


def test_an_undo_leaves_the_sequences_of_the_next_migration_where_they_stood(trials: Kept) -> None:
    base = {"20240101000000_init": ROLES + "INSERT INTO role (name) VALUES ('a'), ('b'), ('c');"}
    names = ("20240201000000_new", "20240202000000_new")
    scripts = ("CREATE TABLE e (a INT);", f"{ROLE}INSERT INTO perm VALUES (4);")
    downs = {names[0]: "DROP TABLE e; SELECT nextval('role_id_seq');"}
    head = folder({**base, **dict(zip(names, scripts, strict=True))}, downs)
    found = validate(Question(head, folder(base), trials, SystemClock()))
    methods = {(p.migration, p.method): p.state for p in found.rollback_proof}
    assert methods[names[1], "transaction"] == "proved"
    assert found.notes == ()


GUARD = """
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never take one away'; END $$;
CREATE CONSTRAINT TRIGGER guard AFTER DELETE ON "User" DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION guard();
"""


def test_an_undo_that_would_fail_at_its_commit_fails(trials: Kept) -> None:
    base = {"20240101000000_init": INIT + GUARD}
    script, down = "INSERT INTO \"User\" VALUES (9, 'c');", 'DELETE FROM "User" WHERE id = 9;'
    head = folder({**base, "20240201000000_new": script}, {"20240201000000_new": down})
    found = validate(Question(head, folder(base), trials, SystemClock()))
    assert [(p.method, p.state) for p in found.rollback_proof] == [("transaction", "proved"), ("down", "refuted")]
    assert "never take one away" in found.findings[-1].message


def test_a_down_script_with_an_error_of_syntax_is_an_error_at_its_place(tried: Tried) -> None:
    found = tried("CREATE TABLE e (a INT);", downs=("DROP TABLE e;\nSELEC 1;",))
    (finding,) = (f for f in found.findings if f.file.endswith("down.sql"))
    assert (finding.rule, finding.severity, finding.line, finding.column) == ("down-does-not-undo", "error", 2, 1)
    assert [(p.method, p.state) for p in found.rollback_proof][1:] == [("down", "refuted"), ("proposed", "lossy")]


def test_a_down_script_that_ends_its_own_session_is_an_error(tried: Tried) -> None:
    found = tried("CREATE TABLE e (a INT);", downs=("DROP TABLE e; SELECT pg_terminate_backend(pg_backend_pid());",))
    assert [(f.rule, f.severity) for f in found.findings] == [("down-does-not-undo", "error")]
    assert [(p.method, p.state) for p in found.rollback_proof] == [("transaction", "proved"), ("down", "refuted")]


HIDDEN = """
ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "User" FORCE ROW LEVEL SECURITY;
"""


@pytest.mark.parametrize(
    ("down", "state"), [("SELECT 1;", "proved"), ('UPDATE "User" SET id = 7 WHERE id = 1;', "refuted")]
)
def test_rows_that_a_table_hides_from_its_owner_are_compared_all_the_same(trials: Kept, down: str, state: str) -> None:
    base = {"20240101000000_init": f'{INIT}{HIDDEN}CREATE POLICY p ON "User" USING (true);'}
    head = folder({**base, "20240201000000_new": "SELECT 1;"}, {"20240201000000_new": down})
    found = validate(Question(head, folder(base), trials, SystemClock()))
    assert [(p.method, p.state) for p in found.rollback_proof][:2] == [("transaction", "proved"), ("down", state)]
    assert found.notes == ()


def test_hiding_rows_from_their_owner_can_be_undone(tried: Tried) -> None:
    found = tried(HIDDEN, 'ALTER TABLE "User" NO FORCE ROW LEVEL SECURITY;')
    assert [p.state for p in found.rollback_proof if p.method == "transaction"] == ["proved"] * 2
    assert found.notes == ()


def test_what_was_prepared_is_prepared_again_at_each_try(tried: Tried) -> None:
    found = tried("PREPARE p AS SELECT 1; EXECUTE p;", "PREPARE q AS SELECT 1;")
    assert [p.state for p in found.rollback_proof if p.method == "transaction"] == ["proved"] * 2
    assert found.notes == ()


def test_settings_of_a_down_script_change_nothing_about_what_is_compared(tried: Tried) -> None:
    down = "SELECT set_config('search_path', '', false); SET DateStyle = 'German'; DROP INDEX public.i;"
    found = tried('CREATE INDEX i ON "User"(email);', "CREATE VIEW v AS SELECT 1;", downs=(down,))
    assert [(p.method, p.state) for p in found.rollback_proof][:2] == [("transaction", "proved"), ("down", "proved")]


def test_locks_of_the_try_do_not_stand_while_its_undoing_is_tried(trials: Kept) -> None:
    source, _ = read_source(Entry("20240201000000_new", b"SELECT pg_advisory_lock(42); CREATE TABLE locked (a INT);"))
    assert source
    with trials.open([]) as trial:
        base = build(trial, [], silent)
        with trial.session(BASE_DATABASE) as session:
            try_out(session, [source], True, base, silent, commit=False)
            assert session.rows("SELECT FROM pg_locks WHERE locktype = 'advisory'") == []


def test_a_way_back_from_what_has_landed_is_said_not_to_be_tried(trials: Kept) -> None:
    name = "20240101000000_init"
    untried = f"{name}/down.sql was not tried: {name} has landed. A rollback compares all before it commits."
    had, has = folder(BASE, {name: "SELECT 1;"}), folder(BASE, {name: 'DROP TABLE "User";'})
    for base, head, ancestor, notes in (
        (folder(BASE), has, None, (untried,)), (had, has, None, (untried,)), (has, has, None, ()),
        (had, has, has, ()), (has, folder(BASE), None, ()),
    ):  # fmt: skip
        assert validate(Question(head, base, trials, SystemClock(), ancestor)).notes == notes


def test_an_error_of_looking_at_what_came_of_a_script_is_not_told_as_the_scripts(trials: Kept) -> None:
    script = read_script("new", "CREATE TABLE t (a INT);")
    with trials.open([]) as trial:
        trial.create("work")
        with trial.session("work") as session:
            looks: list[int] = []

            def look() -> None:
                looks.append(1)
                session.execute("CREATE ROLE nobody_may")

            with pytest.raises(StatementFailed, match="permission denied"):
                Replay(session, script, "new", lenient=True, commit=False, then=look).run()
            assert looks == [1]
            assert session.rows("SELECT to_regclass('t')") == [(None,)]


RIGHTS = """
    SELECT grantor::regrole::text, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type
    FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
    WHERE datname = current_database() ORDER BY 1, 2, 3
"""


def test_the_database_that_a_cluster_brings_is_as_one_that_is_copied() -> None:
    with OwnServer().open([]) as trial:
        looks = []
        for own in (True, False):
            trial.create("base")  # the first time it is the cluster's
            with trial.session("base") as session:
                assert (session.rows("SELECT oid::int FROM pg_database WHERE datname = 'base'") == [(1,)]) is own
                looks.append((catalog.read(session), session.rows(RIGHTS)))
    assert looks[0] == looks[1]
    assert ("postgres", "PUBLIC", "TEMPORARY") in looks[0][1]


def test_on_a_named_server_nothing_reaches_beyond_its_database(server18: Server, tmp_path: Path) -> None:
    script = "CREATE ROLE made_by_a_script;"
    other = f"COPY \"User\" TO PROGRAM 'touch {tmp_path}/made';\nDROP DATABASE template1;"
    head = folder({**BASE, "20240201000000_new": script, "20240202000000_new": other})
    found = validate(Question(head, folder(BASE), NamedServer(server18.superuser()), SystemClock()))
    assert [note.split(" was left out")[0] for note in found.notes] == [
        "20240201000000_new/migration.sql:1:1 CREATE ROLE",
        "20240202000000_new/migration.sql:1:1 COPY",
        "20240202000000_new/migration.sql:2:1 DROP DATABASE",
    ]
    assert not (tmp_path / "made").exists()
    with server18.superuser().session() as session:
        assert not session.rows("SELECT FROM pg_roles WHERE rolname = 'made_by_a_script'")
        assert session.rows("SELECT FROM pg_database WHERE datname = 'template1'")


@pytest.mark.campaign
def test_on_a_named_server_nothing_runs_of_which_nobody_knows_what_it_does(server18: Server, tmp_path: Path) -> None:
    program = f"COPY \"User\" TO PROGRAM 'touch {tmp_path}/made';\n"
    hidden = {**BASE, "20240201000000_new": program + "-- padding\n" * 1_600_000}
    found = validate(Question(folder(hidden), folder(BASE), NamedServer(server18.superuser()), SystemClock()))
    assert not found.statements
    assert "Nothing was tried on the server that was named" in found.notes[-1]
    written = {**BASE, "20240201000000_new": "CREATE TABLE t ();\nSELECT pg_reload_conf();"}
    undone = folder(written, {"20240201000000_new": f"DROP TABLE t;\n{program}"})
    found = validate(Question(undone, folder(BASE), NamedServer(server18.superuser()), SystemClock()))
    assert "20240201000000_new/down.sql was not tried: it reaches beyond its database." in found.notes
    assert any(note.startswith("20240201000000_new/migration.sql:2:1 SELECT was left out") for note in found.notes)
    assert not (tmp_path / "made").exists()


def test_usual_extensions_can_be_had_and_others_are_noted(tried: Tried) -> None:
    found = tried(
        'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE EXTENSION pgcrypto; CREATE EXTENSION vector;'
        "CREATE TABLE t (id UUID DEFAULT uuid_generate_v4(), v vector(3), d BYTEA DEFAULT digest('a', 'sha256'));"
        "INSERT INTO t (v) VALUES ('[1,2,3]');",
        'CREATE EXTENSION postgis; CREATE TABLE u (g geometry); CREATE INDEX ON "User" (id);',
        "GRANT SELECT ON t TO somebody; CREATE ROLE another;",
        "ALTER TABLE u ADD COLUMN b INT;",
    )
    assert [(f.rule, f.line) for f in found.findings if f.severity != "note"] == [
        ("require-concurrent-index-creation", 1),
        ("not-tried", 1),
        ("not-tried", 1),
    ], found.findings
    assert ["postgis" in note or "geometry" in note for note in found.notes[:2]] == [True, True]
    assert "could not be tried to its end" in found.notes[-1]
