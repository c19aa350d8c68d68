"""Lint on texts that nobody would write in good faith, and on all that real projects have written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.rules.linting import lint, read_source
from operations.rules.model import Finding
from operations.rules.schema import Column, Schema, Table

from .campaign.scale import count
from .corpus import HISTORIES, corpus

MANY = 300
SCHEMA = Schema({("public", "T"): Table({"a": Column("integer"), "b": Column("text")})})
STATEMENTS: dict[str, Callable[[int], str]] = {
    "indexes of one table": lambda n: f'CREATE INDEX i{n} ON "T" (a);',
    "columns of one table": lambda n: f'ALTER TABLE "T" ADD COLUMN c{n} int NOT NULL;',
    "constraints of one table": lambda n: f'ALTER TABLE "T" ADD CONSTRAINT c{n} CHECK (a IS NOT NULL) NOT VALID;',
    "keys and indexes": lambda n: f'CREATE INDEX i{n} ON "T" (b); ALTER TABLE "T" ADD FOREIGN KEY (a) REFERENCES u;',
    "a chain of names": lambda n: f"ALTER TABLE t{n} RENAME TO t{n + 1}; ALTER TYPE t{n} RENAME TO t{n + 1};",
    "enums": lambda n: f"CREATE TYPE e{n} AS ENUM ('a'); ALTER TYPE e{n} RENAME TO e;",
    "values": lambda n: f"ALTER TYPE e ADD VALUE 'v{n}';",
    "comments": lambda n: f"-- locktender: allow ban-drop-table because {n}\nDROP TABLE t{n};",
    "hidden characters": lambda n: f'SELECT 1 AS "a\u200bb{n}";',
    "transactions": lambda n: f"BEGIN; SELECT {n}; COMMIT;",
}


def found(sql: str, schema: Schema | None = SCHEMA) -> tuple[Finding, ...]:
    return lint([read_source("m/migration.sql", sql)], schema)


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.parametrize("many", [MANY, pytest.param(count(8_000), marks=pytest.mark.campaign)])
def test_many_statements_are_looked_at(statement: Callable[[int], str], many: int) -> None:
    """Were anything of it quadratic, the long ones would take an hour: pytest's own time-out is the assertion."""
    text = "\n".join(statement(n) for n in range(many))
    for finding in found(text):
        assert 1 <= finding.line <= (finding.end_line or finding.line) <= text.count("\n") + 1


def test_nested_conditions_do_not_end_in_a_recursion() -> None:
    nested = "(a IS NOT NULL AND " * 1500 + "true" + ")" * 1500
    assert found(f'ALTER TABLE "T" ADD CHECK ({nested}) NOT VALID; ALTER TABLE "T" ALTER COLUMN a SET NOT NULL')


def test_what_cannot_be_parsed_is_a_note_with_its_place() -> None:
    for text, line, column in (("SELECT 1;\nSELEC 2", 2, 1), ("SELECT 1;\n\0", 2, 1), ("SELECT (((", 1, 11)):
        (finding,) = found(text)
        assert (finding.rule, finding.severity) == ("not-understood", "note")
        assert (finding.line, finding.column) == (line, column)
    (deep,) = found("SELECT " + "1+" * 50_000 + "1")
    assert "too deeply" in deep.message


def test_what_is_too_long_is_a_note_and_looked_through_for_hidden_characters_all_the_same() -> None:
    note, hidden = sorted(found("SELECT '" + "x" * 17_000_000 + "\u202e'"), key=lambda one: one.rule, reverse=True)
    assert "17 MB" in note.message
    assert (hidden.rule, hidden.column) == ("hidden-characters", 17_000_009)


def test_an_empty_file_has_nothing_to_find() -> None:
    assert found("") == found("-- nothing\n") == found(";;") == ()


def test_a_table_of_one_new_file_is_new_to_the_next() -> None:
    first = read_source("1/migration.sql", "CREATE TABLE new (id int)")
    second = read_source("2/migration.sql", "CREATE INDEX i ON new (id)")
    assert lint([first, second], SCHEMA) == ()
    assert [finding.file for finding in lint([second], SCHEMA)] == ["2/migration.sql"]


def test_names_in_other_alphabets_keep_their_places() -> None:
    text = "-- 🙂 größe\nSELECT 'é'; ALTER TABLE \"Größe\" ADD COLUMN ä int,\n  /* ü */ DROP COLUMN ö;"
    (finding,) = found(text, None)
    assert (finding.line, finding.column, finding.end_line) == (3, 11, 3)
    assert finding.message.startswith("Column ö of Größe")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_no_name_becomes_sql_of_a_suggestion(end: str) -> None:
    def suggested(name: str) -> str | None:
        (finding,) = found(f'ALTER TABLE t ADD CONSTRAINT "{name}" CHECK (a > 0);', None)
        return finding.suggestion

    assert "In a later migration" in (suggested("c") or "")
    assert suggested(f"c{end}DROP TABLE t; --") is None


def test_suggestions_of_statements_that_follow_each_other_are_one() -> None:
    text = """-- AddForeignKey
ALTER TABLE "T" ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES u (id);

-- AddForeignKey
ALTER TABLE "T"
  ADD CONSTRAINT y FOREIGN KEY (a) REFERENCES v (id);
"""
    finding = next(one for one in found(text) if one.rule == "adding-foreign-key-constraint")
    assert finding.suggestion
    lines = text.splitlines()
    lines[finding.line - 1 : finding.end_line] = finding.suggestion.splitlines()
    assert "adding-foreign-key-constraint" not in {one.rule for one in found("\n".join(lines))}
    assert lines.count("-- AddForeignKey") == 2


PIECES = st.sampled_from(
    [
        *"""ALTER TABLE "T"
ADD COLUMN c serial NOT NULL
DROP COLUMN a
,
;
BEGIN;
COMMIT;
CREATE TABLE "T" (a int);
DROP TABLE "T";
CREATE INDEX ON "T" (a, (b || b)) WHERE true;
'
$$
(
)
-- x
-- locktender: allow ban-drop-table because é
/* locktender: allow */
DROP INDEX i, j;
SET x = y;
CREATE TYPE e AS ENUM ('a');
ALTER TYPE e RENAME TO f;
DROP TYPE f;
UPDATE "T" SET a = 1;
VACUUM FULL;
ALTER TABLE "T" RENAME TO u;
ALTER TABLE u RENAME TO "T";
TRUNCATE "T";
DO $$ BEGIN COMMIT; END $$;
ALTER TABLE "T" ADD FOREIGN KEY (a) REFERENCES "T";
CREATE TABLE IF NOT EXISTS "T" (LIKE u);
ALTER TABLE "T" ALTER a TYPE text USING a::text, ALTER b SET NOT NULL;
REINDEX DATABASE d;
\\! x""".splitlines(),
        *["\n", "\r\n", "\0", "\u202e", " "],
    ]
)


@given(st.lists(PIECES, max_size=25).map(" ".join), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_text_is_linted(text: str, known: bool) -> None:
    for finding in found(text, SCHEMA if known else None):
        assert finding.line >= 1
        assert finding.column >= 1
        assert finding.message
        assert finding.help
        assert finding.end_line is None or finding.line <= finding.end_line


@pytest.mark.corpus
@pytest.mark.parametrize("name", HISTORIES)
def test_real_histories_give_at_most_one_finding_a_migration_and_all_are_understood(name: str) -> None:
    files = sorted(corpus(name).glob("*/migration.sql"))
    findings = [one for file in files[-50:] for one in found(file.read_text(encoding="utf-8"), None)]
    assert "not-understood" not in {one.rule for one in findings}
    assert 0 < len(findings) <= min(len(files), 50)


@pytest.mark.corpus
@pytest.mark.parametrize("name", HISTORIES)
def test_a_whole_history_as_one_set_of_new_files_finds_nothing_about_its_own_tables(name: str) -> None:
    files = sorted(corpus(name).glob("*/migration.sql"), key=lambda file: file.parent.name.encode())
    sources = [read_source(f"{file.parent.name}/migration.sql", file.read_text(encoding="utf-8")) for file in files]
    rules = {one.rule for one in lint(sources, Schema({}))}
    of_tables = {"require-concurrent-index-creation", "adding-foreign-key-constraint", "adding-required-field"}
    assert rules.isdisjoint(
        of_tables | {"changing-column-type", "ban-drop-table", "ban-drop-column", "recreating-enum"}
    )


def test_what_a_do_block_runs_is_looked_at_where_it_stands() -> None:
    text = """DO $$
DECLARE n int; -- DROP TABLE nothing;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'é') THEN
    ALTER TABLE "T" ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES u (id);
  ELSE
    CREATE TABLE new (id int);
    CREATE INDEX ON new (id);
    n := 1;
  END IF;
  FOR n IN 1..3 LOOP
    UPDATE "T" SET b = n::text;
  END LOOP;
  EXECUTE 'DROP TABLE "T"';
END $$;
CREATE INDEX ON new (id);
"""
    key, update = found(text, None)
    assert (key.rule, key.line, key.column) == ("adding-foreign-key-constraint", 5, 5)
    assert key.suggestion
    assert all(line.startswith("    ") for line in key.suggestion.splitlines())
    assert (update.rule, update.line, update.column) == ("whole-table-update", 12, 5)
    allowed = "-- locktender: allow adding-foreign-key-constraint, whole-table-update because T is small\n" + text
    assert found(allowed, None) == ()
    assert found("DO LANGUAGE plpython3u $$ DROP TABLE x; $$", None)[0].rule == "ban-server-access"
    assert found("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP TABLE x; END $$", None) == ()
    assert found("DO 'BEGIN DROP TABLE x; END'", None)[0].rule == "ban-drop-table"


def test_messages_stay_short_whatever_stands_in_the_file() -> None:
    long = "x" * 100_000
    columns = ", ".join(f"DROP COLUMN c{n}" for n in range(5_000))
    text = f"""CREATE TABLE "{long}" (a int);
-- locktender: allow {long} because {long}
ALTER TABLE "T" {columns};
ALTER TYPE e RENAME VALUE '{long}' TO '{long}';
ALTER TYPE e ADD VALUE '{long}';
SELECT '{long}';
"""
    findings = found(text)
    rules = {"identifier-too-long", "allow-unknown-rule", "ban-drop-column", "renaming-type"}
    assert rules | {"enum-value-used-in-same-transaction"} <= {one.rule for one in findings}
    assert max(len(one.message) for one in findings) < 2_000
