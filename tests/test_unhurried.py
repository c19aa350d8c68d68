"""What CONCURRENTLY means for a database that nobody uses yet."""

from __future__ import annotations

import pytest

from operations.apply import apply
from operations.context import Context
from operations.deploy import deploy
from operations.errors import MigrationFailed
from operations.migrations.script import Script, read_script
from operations.migrations.unhurried import without_concurrently
from operations.status import status

from .folders import write_migration

INDEX = '-- ü\nCREATE UNIQUE INDEX /* CONCURRENTLY */ concurrently IF NOT EXISTS "CONCURRENTLY" ON t (a);'


def unhurried(text: str, *others: str) -> Script:
    texts = {"1": text, **{str(number): other for number, other in enumerate(others, start=2)}}
    return without_concurrently({name: read_script(name, each) for name, each in texts.items()})["1"]


def test_the_word_is_left_out_and_everything_else_stays_in_its_place() -> None:
    script = unhurried(INDEX)
    assert script.text == INDEX
    assert script.body == INDEX.replace("concurrently", " " * 12)
    assert script.verdict.atomic
    assert "CONCURRENTLY (line 2) is left out" in script.verdict.reason


def test_of_several_each_is_left_out() -> None:
    script = unhurried("DROP INDEX CONCURRENTLY i;\nCREATE INDEX CONCURRENTLY i ON t (b) WHERE c = 'CONCURRENTLY';")
    assert script.body.count("CONCURRENTLY") == 1


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a int);",
        "REINDEX TABLE CONCURRENTLY t;",
        "ALTER TABLE p DETACH PARTITION c CONCURRENTLY;",
        "CREATE INDEX CONCURRENTLY i ON t (a); VACUUM t;",
        "INSERT INTO t VALUES (1); CREATE INDEX CONCURRENTLY i ON t (a);",
        "BEGIN; SELECT 1; COMMIT; CREATE INDEX CONCURRENTLY i ON t (a);",
        "this is not SQL; CREATE INDEX CONCURRENTLY i ON t (a);",
    ],
)
def test_what_it_means_more_to_or_does_not_help_stays_as_it_is(text: str) -> None:
    assert unhurried(text) == read_script("1", text)


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE p (a int) Partition\nBy LIST (a);",
        "DO $$ BEGIN EXECUTE 'CREATE TABLE p () PARTITION BY x'; END $$;",
    ],
)
def test_where_a_table_may_be_partitioned_nothing_is_left_out(table: str) -> None:
    assert unhurried(INDEX, table) == read_script("1", INDEX)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT row_number() OVER (PARTITION BY a) FROM t;",
        'CREATE TABLE "window" (a int, "partition" int);',
        "CREATE FUNCTION f() RETURNS TABLE (a bigint) LANGUAGE sql AS 'SELECT rank() OVER (\nPARTITION BY a) FROM t';",
    ],
)
def test_what_only_reads_like_a_partitioned_table_changes_nothing_of_that(text: str) -> None:
    assert unhurried(INDEX, text) != read_script("1", INDEX)


def test_the_first_deploy_is_one_transaction_and_makes_the_same_index(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2);")
    write_migration(context, "2_index", "CREATE INDEX CONCURRENTLY i ON t (a);")
    write_migration(context, "3_fails", "SELECT 1/0;")
    with pytest.raises(MigrationFailed):
        apply(context)
    assert status(context).pending == ("1_init", "2_index", "3_fails")
    with context.database.session() as session:
        assert session.rows("SELECT to_regclass('t') IS NULL") == [(True,)]
    assert apply(context, to="2_index").atomic
    with context.database.session() as session:
        assert session.rows(
            "SELECT pg_get_indexdef('i'::regclass), indisvalid FROM pg_index WHERE indrelid = 't'::regclass"
        ) == [("CREATE INDEX i ON public.t USING btree (a)", True)]


def test_a_database_that_holds_something_gets_its_index_concurrently(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TABLE t (a int);")
    deploy(context)
    write_migration(context, "2_index", "CREATE INDEX CONCURRENTLY i ON t (a);")
    result = deploy(context)
    assert result.plan is not None
    assert [unit.kind for unit in result.plan.units] == ["statements"]


def test_what_postgresql_refuses_to_do_concurrently_is_refused_in_an_empty_database_too(context: Context) -> None:
    write_migration(context, "1_init", "CREATE TABLE p (a int) PARTITION BY LIST (a);")
    write_migration(context, "2_index", "CREATE INDEX CONCURRENTLY i ON p (a);")
    with pytest.raises(MigrationFailed, match="concurrently"):
        apply(context)
