"""What a script is made of, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from operations.adapters.local_host import LocalHost
from operations.errors import MigrationFilesError, Place
from operations.migrations.beyond import beyond
from operations.migrations.formats import detect
from operations.migrations.preparing import left_prepared, prepared
from operations.migrations.script import Script, Verdict, combined, may_change_database, place, read_script

from .corpus import HISTORIES, corpus


def script(text: str, name: str = "1_test") -> Script:
    return read_script(name, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing"),
        ("-- only a comment\n", "nothing"),
        ("CREATE TABLE t ();", "every statement"),
        ("BEGIN; CREATE TABLE t (); COMMIT;", "its own BEGIN … COMMIT (lines 1 and 1)"),
        ("START TRANSACTION;\nCREATE TABLE t ();\nEND", "its own START TRANSACTION … COMMIT (lines 1 and 3)"),
        ("CREATE TABLE t (); COMMIT; -- the end", "only COMMIT"),
        ("BEGIN; CREATE TABLE t ();", "never committed"),
        ("CREATE TABLE a (); BEGIN; CREATE TABLE b (); COMMIT;", "its own BEGIN"),
        ("BEGIN; BEGIN; CREATE TABLE b (); COMMIT AND NO CHAIN;", "its own BEGIN"),
        ("BEGIN; SAVEPOINT a; DROP TABLE t; ROLLBACK TO a; RELEASE a; COMMIT;", "its own BEGIN"),
        ("ALTER TYPE e ADD VALUE 'x'; ALTER TYPE e ADD VALUE 'y' AFTER 'x';", "every statement"),
        ("ALTER TYPE e ADD VALUE 'x'; COMMENT ON TYPE e IS 'x'; CREATE TYPE f AS ENUM ('x');", "every statement"),
        ("INSERT INTO t VALUES ('x'); ALTER TYPE e ADD VALUE 'x';", "every statement"),
        ("DO $$ BEGIN PERFORM 1; /* COMMIT; */ RAISE NOTICE 'COMMIT;'; END $$", "every statement"),
        ('DO $$ DECLARE "commit" int; BEGIN SELECT commit INTO "commit" FROM git; END $$', "every statement"),
        ("CREATE PROCEDURE a.p() LANGUAGE plpgsql AS 'BEGIN END'; CALL a.p();", "every statement"),
        ("SELECT $a$; COMMIT; $a$, '; COMMIT; ', E'\\'; COMMIT; ', U&'; COMMIT;', \"; COMMIT; \";", "every"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;", "every statement"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m; ANALYZE; REINDEX (CONCURRENTLY FALSE) TABLE t;", "every"),
        ("SELECT 'é' AS \"CREATE INDEX CONCURRENTLY\"", "every statement"),
    ],
)
def test_atomic(text: str, reason: str) -> None:
    verdict = script(text).verdict
    assert verdict.atomic, verdict.reason
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\nCREATE INDEX CONCURRENTLY i ON t (a);", 2, "CREATE INDEX CONCURRENTLY cannot run in a transaction (25001)"),
        ("BEGIN;\nDROP INDEX CONCURRENTLY i;\nCOMMIT;", 2, "DROP INDEX CONCURRENTLY"),
        ("CREATE TABLE a ();\nCOMMIT;\nCREATE TABLE b ();", 2, "COMMIT in line 2 is not the end"),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;", 3, "COMMIT in line 3 is not the end"),
        ("BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;", 3, "COMMIT AND CHAIN"),
        ("BEGIN;\nSELECT 1;\nROLLBACK;", 3, "ROLLBACK ends"),
        ("BEGIN;\nSELECT 1;\nPREPARE TRANSACTION 'x';", 3, "PREPARE TRANSACTION"),
        ("CREATE TABLE t ();\nBEGIN ISOLATION LEVEL SERIALIZABLE;\nCOMMIT;", 2, "must come first"),
        ("BEGIN READ ONLY;\nSELECT 1;\nCOMMIT;", 1, "READ ONLY"),
        ("SELECT 1;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;", 2, "must come first"),
        ("SET TRANSACTION SNAPSHOT 'x';", 1, "must come first"),
        ("ALTER TYPE e ADD VALUE 'x';\nINSERT INTO t VALUES (1, 'x');", 2, "'x', added in line 1"),
        ("ALTER TYPE e ADD VALUE 'ü';\nUPDATE t SET e = 'ü';", 2, "55P04"),
        ("ALTER TYPE e ADD VALUE 'x';\nALTER TABLE t ALTER e SET DEFAULT 'x';", 2, "55P04"),
        ("ALTER TYPE e ADD VALUE 'x';\nALTER TABLE t ALTER e SET DEFAULT '{x,y}';", 2, "55P04"),
        ("ALTER TYPE e ADD VALUE 'x';\nDO $$ BEGIN UPDATE t SET e = 'x'; END $$", 2, "55P04"),
        ("ALTER TYPE e ADD VALUE 'x';\nSELECT enum_range(NULL::e);", 2, "55P04"),
        ("DO $$ BEGIN DELETE FROM t; commit; END $$", 1, "DO block ends transactions itself (2D000"),
        ("DO $$ BEGIN IF a THEN ROLLBACK AND CHAIN; END IF; END $$", 1, "DO block"),
        ("DO $$ << l >> BEGIN LOOP CALL p(); END LOOP; END $$", 1, "DO block"),
        ("DO LANGUAGE plpython3u $$ plpy.commit() $$", 1, "DO block"),
        ("CALL p();", 1, "the procedure that CALL runs may end transactions itself (2D000"),
        ("CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'; CALL p();", 1, "CALL"),
        (
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN END';\n"
            "CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';\nCALL p();",
            3,
            "CALL",
        ),
        ("VACUUM;", 1, "VACUUM"),
    ],
)
def test_not_atomic(text: str, line: int, reason: str) -> None:
    verdict = script(text).verdict
    assert not verdict.atomic
    assert reason in verdict.reason
    assert verdict.line == line


def test_what_does_not_parse_is_said_with_its_place() -> None:
    found = script("CREATE TABLE ü ();\n  CREATE TABEL b ();")
    assert found.statements is None
    assert found.body == found.text
    assert found.verdict == Verdict(
        False,
        'the grammar of PostgreSQL 18 does not know it (syntax error at or near "TABEL", line 2, column 10); it is '
        "sent as one message, which PostgreSQL runs as one transaction unless it holds commits of its own",
        2,
    )
    for text in ("\\connect other\nSELECT 1;", "SELECT 'open", "SELECT $$open", "COPY t FROM stdin;\n1\t2\n\\.\n"):
        assert script(text).statements is None


@pytest.mark.parametrize(
    ("text", "begin", "alone"),
    [
        ("BEGIN; SELECT 1; COMMIT", "BEGIN", None),
        ("BEGIN ISOLATION LEVEL serializable, READ WRITE, NOT DEFERRABLE; SELECT 1; COMMIT",
         "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE, NOT DEFERRABLE", "of its own kind"),
        ("BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1; COMMIT",
         "BEGIN ISOLATION LEVEL REPEATABLE READ", "of its own kind"),
        ("SET TRANSACTION READ WRITE; SELECT 1", "BEGIN READ WRITE", None),
        ("SELECT 1; SET CONSTRAINTS ALL DEFERRED", "BEGIN", "SET CONSTRAINTS"),
        ("CREATE TEMP TABLE t (a int) ON COMMIT DROP", "BEGIN", "temporary table"),
        ("CREATE TEMP TABLE t ON COMMIT DELETE ROWS AS SELECT 1", "BEGIN", "temporary table"),
        ("CREATE TEMP TABLE t (a int)", "BEGIN", None),
        ("SAVEPOINT a; RELEASE a", "BEGIN", "SAVEPOINT"),
        ("DECLARE c CURSOR FOR SELECT 1", "BEGIN", "cursor"),
        ("LISTEN c", "BEGIN", "LISTEN"),
        ("SET LOCAL lock_timeout = 0; RESET ALL", "BEGIN", None),
    ],
)  # fmt: skip
def test_its_own_kind_of_transaction(text: str, begin: str, alone: str | None) -> None:
    found = script(text)
    assert found.verdict.atomic
    assert found.begin == begin
    assert (found.alone is None) is (alone is None)
    assert (alone or "") in (found.alone or "")


def test_the_body_keeps_every_place() -> None:
    text = "-- é\r\nBEGIN\r\n  WORK;\r\nSELECT 1; /* COMMIT; */\r\nCOMMIT;"
    found = script(text)
    assert found.body == "-- é\r\n     \r\n      ;\r\nSELECT 1; /* COMMIT; */\r\n      ;"
    assert [s.text for s in script(found.body).statements or ()] == ["SELECT 1"]


def test_statements_have_places_and_kinds() -> None:
    text = "-- ä\n  CREATE TABLE \"ö\" ();\n/* x */ DROP TABLE a.b, c; INSERT INTO t VALUES ('ü') -- last\n"
    first, second, third = script(text).statements or ()
    assert (first.line, first.column, first.kind, first.text) == (2, 3, "CREATE TABLE", 'CREATE TABLE "ö" ()')
    assert (second.line, second.column, second.relations) == (3, 9, ('"a"."b"', '"c"'))
    assert (third.line, third.column, third.text) == (3, 28, "INSERT INTO t VALUES ('ü')")
    for statement in (first, second, third):
        assert text[statement.start : statement.end] == statement.text
        assert place("f", text, statement.start) == Place("f", statement.line, statement.column)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ALTER TYPE e ADD VALUE 'x'", "ALTER TYPE ADD VALUE"),
        ("ALTER TYPE e RENAME VALUE 'x' TO 'y'", "ALTER TYPE RENAME VALUE"),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "ALTER TABLE DETACH PARTITION CONCURRENTLY"),
        ("ALTER TABLE t RENAME a TO b", "ALTER TABLE RENAME"),
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", "ALTER TABLE RENAME"),
        ("ALTER MATERIALIZED VIEW v SET SCHEMA s", "ALTER MATERIALIZED VIEW SET SCHEMA"),
        ("DROP MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("REINDEX TABLE CONCURRENTLY t", "REINDEX CONCURRENTLY"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET SESSION CHARACTERISTICS"),
        ("RESET search_path", "RESET"),
        ("ABORT", "ROLLBACK"),
        ("END", "COMMIT"),
        ("RELEASE x", "RELEASE SAVEPOINT"),
        ("ANALYZE t", "ANALYZE"),
        ("REVOKE SELECT ON t FROM x", "REVOKE"),
        ("CREATE SEQUENCE s", "CREATE SEQUENCE"),
        ("ALTER SYSTEM SET a = 'b'", "ALTER SYSTEM"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "ALTER DEFAULT PRIVILEGES"),
        ("CREATE TEXT SEARCH CONFIGURATION c (PARSER = default)", "CREATE TEXT SEARCH CONFIGURATION"),
        ("ALTER TEXT SEARCH DICTIONARY d (a = b)", "ALTER TEXT SEARCH DICTIONARY"),
        ("CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION f()", "CREATE EVENT TRIGGER"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    (statement,) = script(text).statements or ()
    assert statement.kind == kind


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("ALTER TABLE s.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (id)", ['"s"."t"', '"u"']),
        ('ALTER TABLE t ADD COLUMN a int REFERENCES "U" (id)', ['"t"', '"U"']),
        (
            "CREATE TABLE t (a int REFERENCES u, FOREIGN KEY (a) REFERENCES v, b int REFERENCES t)",
            ['"u"', '"v"', '"t"'],
        ),
        ("CREATE TABLE p PARTITION OF q DEFAULT", ['"q"']),
        ("ALTER TABLE q ATTACH PARTITION p DEFAULT", ['"q"', '"p"']),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", ['"t"']),
        ("CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", ['"t"']),
        ("DROP TRIGGER g ON s.t", ['"s"."t"']),
        ("DROP POLICY g ON t", ['"t"']),
        ("DROP INDEX i", ['"i"']),
        ("DROP TYPE e", []),
        ("TRUNCATE a, b", ['"a"', '"b"']),
        ("LOCK TABLE a, b IN SHARE MODE", ['"a"', '"b"']),
        ("UPDATE t SET a = 1", ['"t"']),
        ("DELETE FROM t", ['"t"']),
        ("INSERT INTO t VALUES (1)", []),
        ("SELECT * FROM t", []),
        ("ALTER TABLE t RENAME TO u", ['"t"']),
        ("ALTER TYPE e RENAME TO f", []),
        ("REFRESH MATERIALIZED VIEW m", ['"m"']),
        ("VACUUM FULL t", ['"t"']),
        ("VACUUM", []),
        ("ANALYZE t", []),
        ('ALTER TABLE "ü" ADD COLUMN "ä" int', ['"ü"']),
        ("CREATE TABLE t (); CREATE INDEX ON t (a); ALTER TABLE u ADD a int REFERENCES t", ['"u"']),
    ],
)
def test_relations_are_the_tables_that_a_statement_locks(text: str, relations: list[str]) -> None:
    statements = script(text).statements or ()
    assert [name for s in statements for name in s.relations] == relations


@pytest.mark.parametrize(
    ("text", "words"), [("\ufeffSELECT 1;", "byte order mark"), ("SELECT\n 1;\0", "NUL character (1_test:2:4)")]
)
def test_what_cannot_even_be_sent(text: str, words: str) -> None:
    with pytest.raises(MigrationFilesError) as caught:
        script(text)
    assert words in caught.value.message
    assert caught.value.hint


def test_a_set_is_as_atomic_as_its_files() -> None:
    plain, own = script("CREATE TABLE a ();", "1_a"), script("BEGIN; CREATE TABLE b (); COMMIT;", "2_b")
    index = script("\n\nCREATE INDEX CONCURRENTLY i ON a (x);", "3_index")
    serial = script("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1", "4_serial")
    assert combined([]).atomic
    assert combined([serial]) == serial.verdict
    assert combined([plain, own]) == Verdict(True, "2 files can share one transaction")
    assert combined([plain, index, serial]) == Verdict(False, f"3_index: {index.verdict.reason}", 3)
    refused = combined([plain, serial])
    assert not refused.atomic
    assert refused.reason.startswith("4_serial needs a transaction of its own")


def test_a_set_tells_what_may_still_go_wrong() -> None:
    add = script("ALTER TYPE e ADD VALUE 'it''s'", "1_add")
    use = script("INSERT INTO t VALUES ('it''s')", "2_use")
    hint = "2_use may use the enum value 'it''s' of 1_add before it is committed (55P04)"
    assert combined([add, use]) == Verdict(True, f"2 files can share one transaction; {hint}")
    assert combined([use, add]).reason == "2 files can share one transaction"
    assert combined([add, use, add, use]).reason.endswith("(55P04), and 1 more like it")


@pytest.mark.campaign
@pytest.mark.timeout(60)
def test_long_scripts_do_not_hang() -> None:
    """Three seconds; pglast's own offsets would take a minute and a half."""
    text = "".join(f"INSERT INTO t VALUES ({n}, 'é {n} -- x'); -- ü\n" for n in range(50_000))
    assert len(script(text).statements or ()) == 50_000


def test_deep_and_huge_scripts_are_no_crash() -> None:
    assert script("SELECT " + "||".join(["'a'"] * 5000)).verdict.atomic
    assert script("SELECT 1" + " UNION ALL SELECT 1" * 3000).verdict.atomic
    assert script("SELECT " + "(" * 100_000).statements is None
    assert "17 MB" in script("SELECT '" + "x" * 17_000_000 + "'").verdict.reason


def test_names_in_other_alphabets_do_not_shift_anything() -> None:
    text = "SELECT $é$ $q$ ; COMMIT; $é$; CREATE TABLE 表 (列 text DEFAULT '值'); SELECT '🙂'; DROP TABLE 表;"
    statements = script(text).statements or ()
    assert [s.kind for s in statements] == ["SELECT", "CREATE TABLE", "SELECT", "DROP TABLE"]
    assert statements[3].text == "DROP TABLE 表"


def test_nothing_slow_is_imported_for_status() -> None:
    code = "import sys, operations.status; print({'pglast', 'pydantic', 'rich', 'psycopg'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


EXPECTED = {
    "hoppscotch": {True: 21},
    "amplication": {True: 135},
    "langfuse": {True: 334, False: 100},
}


@pytest.mark.corpus
@pytest.mark.parametrize("name", HISTORIES)
def test_real_histories(name: str) -> None:
    folder, host = str(corpus(name)), LocalHost()
    migrations = detect(host, folder).read(host, folder)
    scripts = [read_script(m.name, m.script or "") for m in migrations]
    assert Counter(s.verdict.atomic for s in scripts) == EXPECTED[name]
    assert all(s.statements is not None for s in scripts)
    for found in scripts:
        for statement in found.statements or ():
            assert found.text[statement.start : statement.end] == statement.text
    reasons = Counter((s.verdict.reason.split(" ")[0]) for s in scripts if not s.verdict.atomic)
    assert reasons == ({"CREATE": 63, "DROP": 35, "COMMIT": 2} if name == "langfuse" else {})
    shared = combined([s for s in scripts if s.verdict.atomic and not s.alone])
    assert shared.atomic
    assert sum(s.alone is not None for s in scripts) == (1 if name == "langfuse" else 0)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("ALTER DATABASE d SET work_mem = '7MB'", True),
        ("REASSIGN OWNED BY a TO b", True),
        ("drop\n owned by a", True),
        ("ALTER ROLE a RENAME TO b", True),
        ("DROP USER a", True),
        ('ALTER TABLE "user" ADD COLUMN role text; SELECT 1 FROM "user" GROUP BY role; DROP TABLE "role"', False),
    ],
)
def test_what_may_change_the_database_itself_shows_in_its_words(text: str, may: bool) -> None:
    assert may_change_database(text) == may


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("CREATE DATABASE d", "CREATE DATABASE d"),
        ("DROP ROLE a, b", "DROP ROLE a, b"),
        ("ALTER ROLE a PASSWORD 'topsecret'", "ALTER ROLE a"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM (work_mem)"),
        ("ALTER SYSTEM RESET ALL", "ALTER SYSTEM (ALL)"),
        ("GRANT a TO b", "GRANT a"),
        ("COPY t TO '/tmp/x'", "COPY to a file or a program of the server"),
        ("COPY t FROM '/tmp/x'", None),
        ("ALTER DATABASE d SET search_path = s", None),
        ("ALTER DATABASE d SET TABLESPACE t", "ALTER DATABASE d SET TABLESPACE"),
        ("GRANT CONNECT ON DATABASE d TO a", None),
        ("GRANT CREATE ON TABLESPACE t TO a", "GRANT"),
        ("GRANT SELECT ON t TO a", None),
        ("REASSIGN OWNED BY a TO b", "REASSIGN OWNED"),
        ("ALTER ROLE ALL SET work_mem = '1MB'", "ALTER ROLE ALL SET"),
    ],
)
def test_what_reaches_beyond_the_database_is_told_without_secrets(text: str, what: str | None) -> None:
    found = [one.what for _, one in beyond(script(text).statements or ())]
    assert found == ([what] if what else [])


@pytest.mark.parametrize(
    ("text", "prepares", "left"),
    [
        ("BEGIN; PREPARE TRANSACTION 'é''s';\n", ["é's"], ["é's"]),
        ("PREPARE TRANSACTION 'a'; COMMIT PREPARED 'a'", ["a"], []),
        ("PREPARE TRANSACTION 'a'; ROLLBACK PREPARED 'b'", ["a"], ["a"]),
        ("-- é\nPREPARE /* x */ TRANSACTION 'a'; ROLLBACK PREPARED 'a'; PREPARE TRANSACTION 'a'", ["a", "a"], ["a"]),
        ("SELECT $$; PREPARE TRANSACTION 'a'$$; PREPARE q AS SELECT 1", [], []),
    ],
)
def test_what_a_script_prepares_and_leaves(text: str, prepares: list[str], left: list[str]) -> None:
    assert [one.gid for one in prepared(text)] == prepares
    assert [one.gid for one in left_prepared(text)] == left
