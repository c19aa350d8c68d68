"""REINDEX and CLUSTER of a partitioned table, which no transaction can hold, and of others, which one can."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from operations import backup
from operations.adapters.clock import SystemClock
from operations.apply import apply
from operations.context import Context
from operations.deploy import deploy
from operations.errors import MigrationFailed
from operations.migrations.partitioned import outside_where_partitioned
from operations.migrations.script import read_script
from operations.rehearse import rehearse
from operations.status import status
from operations.validate import Question, validate

from .conftest import Server
from .folders import write_migration
from .test_deploy import result_of, state
from .test_role_settings import role
from .test_validate import folder
from .trials import Kept

INIT = (
    "CREATE TABLE plain (a int); CREATE INDEX on_plain ON plain (a); CREATE SCHEMA s;\n"
    "CREATE TABLE s.parted (a int) PARTITION BY LIST (a); CREATE TABLE s.one PARTITION OF s.parted FOR VALUES IN (1);\n"
    "CREATE INDEX on_parted ON s.parted (a);"
)
OF_A_PARTITIONED = (
    "REINDEX TABLE s.parted;", "REINDEX INDEX s.on_parted;", "CLUSTER s.parted USING on_parted;",
    "CREATE TABLE more (a int); REINDEX TABLE s.parted; DROP TABLE more;",
)  # fmt: skip
OF_ANOTHER = "REINDEX TABLE plain; REINDEX TABLE s.one; CLUSTER plain USING on_plain; CLUSTER s.one USING one_a_idx;"


@pytest.fixture
def parted(context: Context) -> Context:
    """With partitioned and other tables; a file of their statements comes next."""
    write_migration(context, "1_init", INIT)
    deploy(context)
    return context


@pytest.mark.each_version
def test_what_the_catalog_tells_is_partitioned_is_worked_on_outside_of_transactions(parted: Context) -> None:
    for number, text in enumerate(OF_A_PARTITIONED):
        write_migration(parted, f"2_{number}", text)
    write_migration(parted, "3_other", OF_ANOTHER)
    planned = deploy(parted, dry_run=True).plan
    assert planned
    assert [one.atomic for one in planned.migrations] == [False] * len(OF_A_PARTITIONED) + [True]
    assert "REINDEX of a table that is partitioned (line 1) cannot run in a transaction (25001)" in planned.verdict
    result = deploy(parted)
    assert (result.outcome, result.atomic) == ("deployed", False)


def test_what_failed_after_it_is_undone_piece_by_piece(parted: Context) -> None:
    before = state(parted)
    write_migration(
        parted, "2_bad", "CREATE TABLE x (a int);\nREINDEX TABLE s.parted;\nCREATE TABLE y (a int);\nSELECT 1/0;"
    )
    with pytest.raises(MigrationFailed, match=r"migration.sql:4:.*The old state stands"):
        deploy(parted)
    assert state(parted) == before


def test_in_a_transaction_of_the_file_itself_it_fails_as_it_does_with_prisma(parted: Context) -> None:
    before = state(parted)
    write_migration(parted, "2_own", "BEGIN;\nREINDEX TABLE s.parted;\nCOMMIT;")
    with pytest.raises(MigrationFailed, match=r"25001.*The old state stands"):
        deploy(parted)
    assert state(parted) == before


def test_what_an_earlier_file_partitions_is_known_before_it_is_there(context: Context) -> None:
    write_migration(context, "1_init", INIT)
    for number, text in enumerate(OF_A_PARTITIONED):
        write_migration(context, f"2_{number}", text)
    assert apply(context).outcome == "deployed"
    assert status(context).pending == ()


def test_validate_says_so_and_can_try_it(trials: Kept) -> None:
    landed = {"1_init": INIT, "2_landed": OF_A_PARTITIONED[0]}
    new = {"3_parted": "CREATE TABLE x (a int); REINDEX TABLE s.parted;", "4_plain": OF_ANOTHER}
    found = validate(Question(folder(landed | new), folder(landed), trials, SystemClock()))
    assert (found.ok, found.notes) == (True, ())
    assert {name: one.atomic for name, one in found.verdicts.items()} == {"3_parted": False, "4_plain": True}


def test_it_can_be_rehearsed(context_of: Callable[..., Context], server18: Server) -> None:
    context = context_of(server18.url(server18.create()))
    write_migration(context, "1_init", INIT)
    deploy(context)
    write_migration(context, "2_parted", OF_A_PARTITIONED[0])
    backup.create(context)
    assert rehearse(context).ok


def test_of_a_table_that_is_not_partitioned_nothing_is_changed(parted: Context) -> None:
    scripts = {"1": read_script("1", OF_ANOTHER), "2": read_script("2", "REINDEX TABLE nowhere;")}
    with parted.database.session() as session:
        assert outside_where_partitioned(session, scripts) == scripts


@pytest.mark.parametrize(
    ("landed", "pending"),
    [
        (
            "CREATE TABLE u (a int);",
            ("CREATE FUNCTION ranks() RETURNS SETOF bigint LANGUAGE sql AS\n"
             "'SELECT rank() OVER (PARTITION BY a) FROM u'; REINDEX TABLE u;",),
        ),
        (
            "CREATE TABLE u (a int); CREATE INDEX i ON u (a);",
            ("CREATE TABLE p (a int) PARTITION BY LIST (a); REINDEX TABLE u; REINDEX INDEX i; CLUSTER u USING i;",
             "DO $$ BEGIN EXECUTE 'CREATE TABLE more (a int) PARTITION BY LIST (a)'; END $$; REINDEX TABLE u;"),
        ),
        (
            None,
            ('CREATE TABLE u (a int PRIMARY KEY); CREATE TABLE "window" ("partition" int); -- TABLE PARTITION BY',
             "CLUSTER u USING u_pkey; REINDEX INDEX u_pkey;"),
        ),
        (
            None,
            ("CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE one PARTITION OF p FOR VALUES IN (1);\n"
             "CREATE TABLE u (a int); CREATE INDEX i ON u (a); REINDEX TABLE u; REINDEX TABLE one; REINDEX INDEX i;",),
        ),
    ],
)  # fmt: skip
def test_of_an_ordinary_table_it_asks_for_no_right_to_restore(
    landed: str | None, pending: tuple[str, ...], server18: Server, context_of: Callable[..., Context]
) -> None:
    with role(server18, "unable", options="NOCREATEDB") as url:
        context = context_of(url)
        if landed:
            write_migration(context, "1_init", landed)
            deploy(context)
        for number, text in enumerate(pending):
            write_migration(context, f"2_{number}", text)
        result = deploy(context)
        assert (result.outcome, result.atomic) == ("deployed", True)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE p (a int) PARTITION BY LIST (a); REINDEX TABLE public.p;",
        "CREATE TABLE p (a int PRIMARY KEY) /* so */ PARTITION /* it is */ BY LIST (a); REINDEX INDEX p_pkey;",
        "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE INDEX on_p ON p (a); REINDEX INDEX on_p;",
        "CREATE INDEX new ON s.parted (a); REINDEX INDEX s.new;",
        "CREATE TABLE p (a int) PARTITION BY LIST (a); ALTER TABLE p RENAME TO q; REINDEX TABLE q;",
        "ALTER TABLE plain RENAME TO old; CREATE TABLE plain (a int) PARTITION BY LIST (a); REINDEX TABLE plain;",
        "CREATE TABLE IF NOT EXISTS s.parted (a int) PARTITION BY LIST (a); REINDEX TABLE s.parted;",
        "DO $$ BEGIN EXECUTE 'CREATE TABLE p (a int) PARTITION BY LIST (a)'; END $$; REINDEX TABLE p;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS\n"
        "'BEGIN CREATE TABLE p (a int)\nPARTITION  BY LIST (a); END'; SELECT f(); REINDEX TABLE p;",
    ],
)
def test_what_is_partitioned_by_then_is_worked_on_outside_of_transactions(parted: Context, text: str) -> None:
    write_migration(parted, "2_new", text)
    result = deploy(parted)
    assert (result.outcome, result.atomic) == ("deployed", False)


def test_an_ordinary_table_that_code_replaces_by_a_partitioned_one_fails_and_changes_nothing(parted: Context) -> None:
    before = state(parted)
    replaced = "DROP TABLE plain; EXECUTE ''CREATE TABLE plain (a int) PARTITION BY LIST (a)'';"
    write_migration(parted, "2_replaced", f"DO 'BEGIN {replaced} END'; REINDEX TABLE plain;")
    with pytest.raises(MigrationFailed, match=r"25001.*The old state stands"):
        deploy(parted)
    assert state(parted) == before


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN;\n{};\nREINDEX TABLE s.parted;\nCOMMIT;",
        "BEGIN;\n{};\nSELECT 1/0;\nCOMMIT;\nVACUUM;",
    ],
)
def test_what_may_have_been_rolled_back_is_not_said_to_have_been_done(parted: Context, text: str) -> None:
    write_migration(parted, "2_own", text.format("ALTER ROLE app_owner RESET work_mem"))
    with pytest.raises(MigrationFailed, match=r"migration.sql:3:.*The old state stands") as caught:
        deploy(parted)
    way = result_of(caught.value).rollback
    assert way
    (stays,) = way.stays
    assert "(2_own, line 2) was perhaps done" in stays


def test_what_stood_before_is_not_said_to_have_been_made_in_a_transaction_of_the_file(parted: Context) -> None:
    write_migration(parted, "2_own", "BEGIN;\nCREATE ROLE app_owner;\nREINDEX TABLE s.parted;\nCOMMIT;")
    with pytest.raises(MigrationFailed, match=r"migration.sql:2:") as caught:
        deploy(parted)
    way = result_of(caught.value).rollback
    assert way is None or way.stays == ()
