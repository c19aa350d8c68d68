"""Existing rows that a migration would fail for are told beforehand, and nothing else is."""

# ruff: noqa: E501 - statements are easier to compare where each is one line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from cli.runs import answered
from operations.approvals.model import Policy
from operations.context import Context
from operations.deploy import deploy
from operations.errors import MigrationFailed, RowsInTheWay
from operations.journal import records
from operations.migrations.script import read_script
from operations.preflight.foreseeing import foresee
from operations.proposing import propose
from operations.settings import Preflight
from operations.status import status

from .conftest import Server
from .folders import write_migration
from .seeded_rows import CASES, TABLES, Case, anew, foreseen, really

pytestmark = pytest.mark.each_version

_NAMES: dict[int, str] = {}


@pytest.fixture
def ground18(server18: Server, context_of: Callable[..., Context]) -> Context:
    """The same on the newer server alone."""
    return on(server18, context_of)


@pytest.fixture
def context18(server18: Server, context_of: Callable[..., Context]) -> Context:
    """A new empty database there."""
    return context_of(server18.url(server18.create()))


@pytest.fixture
def ground(server: Server, context_of: Callable[..., Context]) -> Context:
    """A database on each server, the same for all tests here."""
    return on(server, context_of)


def on(server: Server, context_of: Callable[..., Context]) -> Context:
    if server.process.port not in _NAMES:
        _NAMES[server.process.port] = server.create(for_others=True)
    return context_of(server.url(_NAMES[server.process.port]))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_foreseen_is_what_happens(case: Case, ground: Context) -> None:
    with ground.database.session() as session:
        anew(session)
        session.script(case.bad or "SELECT")
        found = foreseen(ground, session, case.sql)
        assert [failing.kind for failing in found.failing] == [case.kind], found
        (failing,) = found.failing
        assert (failing.file, failing.line) == ("2_m/migration.sql", case.line)
        counted = case.rows is not None or session.server_version >= 160000
        assert failing.rows in ((case.rows,) if case.rows is not None else (2, 9, None)), failing
        assert counted or "row" in str(failing)
        assert "secret" not in str(found)
        assert really(session, case.sql) is not None
        anew(session)
        session.script(case.good or "SELECT")
        found = foreseen(ground, session, case.sql)
        assert (found.failing, found.untried) == ((), ()), found
        assert really(session, case.sql) is None


BAD = "UPDATE \"Account\" SET email = NULL, code = 'x', role = 'guest' WHERE id <= 2;"
NOT_NULL = 'ALTER TABLE "Account" ALTER email SET NOT NULL;'
FILL = "UPDATE \"Account\" SET email = 'mail' WHERE email IS NULL;"
MENDED = {
    "by UPDATE": FILL + NOT_NULL,
    "by UPDATE of what others are made of": 'ALTER TABLE "Shop" ADD COLUMN g text GENERATED ALWAYS AS (name || 1) STORED;'
    ' UPDATE "Shop" SET name = id;' ' ALTER TABLE "Shop" ADD UNIQUE (name), ADD UNIQUE (g), ALTER g SET NOT NULL;',
    "by DELETE of all": 'DELETE FROM "Account"; ALTER TABLE "Account" ADD COLUMN required int NOT NULL;',
    "by filling a new column": 'ALTER TABLE "Account" ADD COLUMN n int; UPDATE "Account" SET n = id; ALTER TABLE "Account" ALTER n SET NOT NULL;',
    "by DELETE, with others": 'DELETE FROM "Account" WHERE email IS NULL;' + NOT_NULL,
    "by a DO block": f"DO $$ BEGIN {FILL} END $$; {NOT_NULL}",
    "by WITH": f"WITH mended AS ({FILL.strip(';')} RETURNING 1) SELECT * FROM mended; {NOT_NULL}",
    "by a function": f"CREATE FUNCTION mend() RETURNS void LANGUAGE sql AS $${FILL}$$; SELECT mend(); {NOT_NULL}",
    "by a trigger": f"""CREATE FUNCTION mend() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {FILL} RETURN NULL; END$$;
        CREATE TRIGGER mends AFTER UPDATE ON "Shop" EXECUTE FUNCTION mend(); UPDATE "Shop" SET name = ''; {NOT_NULL}""",
    "by a cascade": """ALTER TABLE "Order" ADD FOREIGN KEY ("accountId") REFERENCES "Account" ON DELETE CASCADE;
        DELETE FROM "Account" WHERE id = 1; ALTER TABLE "Order" ADD CHECK ("accountId" <> 1);""",
    "by a cascade within the table": """CREATE TABLE "Category" (id text PRIMARY KEY, "parentId" text);
        INSERT INTO "Category" VALUES ('a', NULL), ('b', 'a');---
        ALTER TABLE "Category" ADD FOREIGN KEY ("parentId") REFERENCES "Category" (id) ON UPDATE CASCADE;
        UPDATE "Category" SET id = 'c_' || id; ALTER TABLE "Category" ADD CHECK ("parentId" LIKE 'c\\_%');""",
    "by a cascade from a new table": """CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT id FROM "Account";
        ALTER TABLE "Order" ADD FOREIGN KEY ("accountId") REFERENCES p ON UPDATE CASCADE;
        UPDATE p SET id = id + 100; ALTER TABLE "Order" ADD CHECK ("accountId" > 100);""",
    "by a cascade of a cascade": """CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a ON UPDATE CASCADE);
        CREATE TABLE c (id int REFERENCES b ON UPDATE CASCADE);
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); INSERT INTO c VALUES (1);---
        ALTER TABLE b ADD note text; UPDATE a SET id = 100; ALTER TABLE c ADD CHECK (id = 100);""",
    "by a cascade of a renamed column": """CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a ON UPDATE CASCADE);
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);---
        ALTER TABLE a RENAME id TO uid; UPDATE a SET uid = 100; ALTER TABLE b ADD CHECK (id = 100);""",
    "by another primary key": """CREATE TABLE other (id int PRIMARY KEY, uid int NOT NULL); INSERT INTO other VALUES (1, 105); UPDATE "Order" SET total = 105;---
        ALTER TABLE other DROP CONSTRAINT other_pkey, ADD PRIMARY KEY (uid);
        ALTER TABLE "Order" ADD FOREIGN KEY (total) REFERENCES other;""",
    "by what a parent's columns become": """CREATE TABLE above (code text); CREATE TABLE below (n int) INHERITS (above);
        INSERT INTO below VALUES ('7', 1);---
        ALTER TABLE above ALTER code TYPE int USING code::int + 1; ALTER TABLE below ADD CHECK (code::text = '8');""",
    "by the default of a parent's new column": """CREATE TABLE above (code text); CREATE TABLE below () INHERITS (above);
        INSERT INTO below VALUES ('7');---
        ALTER TABLE above ADD n int DEFAULT 5; ALTER TABLE below ADD COLUMN IF NOT EXISTS n int NOT NULL;""",
    "beyond a unique index": """CREATE TABLE above (code text); CREATE TABLE below () INHERITS (above);
        INSERT INTO above VALUES ('7'); INSERT INTO below VALUES ('7'), ('8');---
        ALTER TABLE above ADD n int DEFAULT 5 UNIQUE;""",
    "by TRUNCATE": f'TRUNCATE "Account" CASCADE; {NOT_NULL}',
    "with a type of its own": 'ALTER TABLE "Account" ALTER code TYPE int USING 1; ALTER TABLE "Account" ADD CHECK (code > 0);',
    "under another name": f'ALTER TABLE "Account" RENAME TO old; ALTER TABLE "Shop" RENAME TO "Account";'
    f' ALTER TABLE "Account" RENAME name TO email; {NOT_NULL}',
    "another column of the name": 'ALTER TABLE "Account" RENAME email TO x; ALTER TABLE "Account" RENAME id TO email;'
    + NOT_NULL,
    "in another schema": f'CREATE SCHEMA s; CREATE TABLE s."Account" (email text); SET search_path TO s; {NOT_NULL}',
    "made anew": f'DROP TABLE "Account"; CREATE TABLE "Account" (email text); {NOT_NULL}',
    "by its default": 'ALTER TABLE "Account" ADD COLUMN n int NOT NULL DEFAULT 1; ALTER TABLE "Account" ALTER n SET NOT NULL;',
    "by a domain's default": "CREATE DOMAIN filled AS int DEFAULT 1; ALTER TABLE \"Account\" ADD COLUMN n filled NOT NULL;",
    "by counting": 'ALTER TABLE "Account" ADD COLUMN n serial NOT NULL UNIQUE, ADD COLUMN g int GENERATED ALWAYS AS IDENTITY;',
    "not there yet": 'ALTER TABLE IF EXISTS nowhere ALTER x SET NOT NULL; CREATE TABLE n (a int NOT NULL UNIQUE CHECK (a > 0));',
    "there already": 'ALTER TABLE "Account" ADD COLUMN IF NOT EXISTS email text NOT NULL;'
    ' CREATE UNIQUE INDEX IF NOT EXISTS "Account_pkey" ON "Account" (role);',
    "not looked at": 'ALTER TABLE "Account" ADD CONSTRAINT a CHECK (email IS NOT NULL) NOT VALID;',
    "null as a whole": 'CREATE TYPE pair AS (a int, b int); ALTER TABLE "Account" ADD COLUMN p pair DEFAULT ROW(NULL, NULL);'
    ' ALTER TABLE "Account" ALTER p SET NOT NULL;',
    "a parent filled": 'CREATE TABLE "Role2" (id text PRIMARY KEY); INSERT INTO "Role2" SELECT DISTINCT code FROM "Account";'
    ' ALTER TABLE "Account" ADD FOREIGN KEY (code) REFERENCES "Role2";',
    "a new column that refers to nothing": 'ALTER TABLE "Account" ADD COLUMN "shopId" int, ADD COLUMN area int;'
    ' ALTER TABLE "Account" ADD FOREIGN KEY ("shopId", area) REFERENCES "Shop"; CREATE UNIQUE INDEX u ON "Account" (area);',
    "a check that is unknown for NULL": 'ALTER TABLE "Account" ADD CHECK (email > \'\');',
    "a function of the same name": "CREATE FUNCTION length(varchar) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
    ' ALTER TABLE "Account" ADD CHECK (length(phone) = 1);',
    "values renamed": "ALTER TYPE \"Role\" RENAME VALUE 'guest' TO 'visitor'; ALTER TABLE \"Account\" ADD CHECK (role::text <> 'guest');",
}  # fmt: skip


@pytest.mark.parametrize("how", MENDED)
def test_what_applies_is_never_said_to_fail(how: str, ground18: Context) -> None:
    with ground18.database.session() as session:
        anew(session)
        session.script(BAD)
        *before, mending = MENDED[how].split("---")
        session.script(";".join(before) or "SELECT")
        found = foreseen(ground18, session, mending)
        assert (found.failing, found.notes) == ((), ()), found
        assert really(session, mending) is None


STILL = {
    "another table's UPDATE": "UPDATE \"Shop\" SET name = upper(name); ",
    "an UPDATE that cascades to nobody": 'ALTER TABLE "Order" ADD FOREIGN KEY (total) REFERENCES "Order" (id) NOT VALID;'
    ' UPDATE "Order" SET state = NULL; ',
    "what changes no row": "SET lock_timeout = '1s'; CREATE INDEX i ON \"Account\" (email); CREATE TABLE n (a int); INSERT INTO n VALUES (1);"
    " CREATE VIEW v AS SELECT 1; COMMENT ON TABLE n IS 'x'; DROP VIEW v; DROP TABLE n; SELECT 1; CREATE TYPE e AS ENUM ('a');",
    "backfills elsewhere": 'UPDATE "Shop" SET name = gen_random_uuid()::text; INSERT INTO "Shop" SELECT max(id) + 1, 1, string_agg(name, \',\') FROM "Shop";'
    ' WITH n AS (SELECT id, row_number() OVER (ORDER BY id) AS r FROM "Shop") UPDATE "Shop" s SET name = n.r FROM n WHERE n.id = s.id; ',
    "a DELETE that cascades elsewhere": 'CREATE TABLE k (id int PRIMARY KEY); CREATE TABLE c (k int REFERENCES k ON DELETE CASCADE); DELETE FROM k; ',
    "another column's UPDATE": 'UPDATE "Account" SET phone = NULL; ',
    "another column's change": 'ALTER TABLE "Account" RENAME phone TO tel; ALTER TABLE "Account" DROP COLUMN note, ADD COLUMN a int;',
}  # fmt: skip


@pytest.mark.parametrize("before", STILL)
def test_what_cannot_mend_the_rows_hides_nothing(before: str, ground18: Context) -> None:
    with ground18.database.session() as session:
        anew(session)
        session.script(BAD)
        found = foreseen(ground18, session, STILL[before], NOT_NULL)
        assert [(one.file, one.rows) for one in found.failing] == [("3_m/migration.sql", 2)], found
        assert really(session, STILL[before] + NOT_NULL) == "23502"


def test_code_of_users_is_not_run(ground: Context) -> None:
    """Neither where it is called by name, nor where an operator or a cast of theirs is."""
    own = """
        CREATE FUNCTION mine(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE 'it ran'; END$$;
        CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
        CREATE DOMAIN checked AS text CHECK (mine(value) = '');
        CREATE FUNCTION number("Role") RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE 'it ran'; END$$;
        CREATE CAST ("Role" AS int) WITH FUNCTION number("Role");
        CREATE VIEW looked AS SELECT mine('x');
    """
    asked = (
        "ALTER TABLE \"Account\" ADD CHECK (mine(email) = '');",
        "ALTER TABLE \"Account\" ADD CHECK (email === '');",
        "ALTER TABLE \"Account\" ADD CHECK (email OPERATOR(public.===) '');",
        'ALTER TABLE "Account" ALTER email TYPE text USING public.mine(email);',
        'ALTER TABLE "Account" ALTER email TYPE checked;',
        'ALTER TABLE "Account" ALTER email TYPE text USING pg_read_file(email);',
        'ALTER TABLE "Account" ADD CHECK (pg_terminate_backend(id));',
        'CREATE UNIQUE INDEX u ON "Account" (mine(email));',
        'CREATE UNIQUE INDEX u ON "Account" (email) WHERE (SELECT true);',
        'ALTER TABLE "Account" ADD CHECK (role::int > 0);',
        'ALTER TABLE "Account" ALTER role TYPE int USING role::int;',
        'ALTER TABLE "Account" ALTER tags TYPE int[];',
        """ALTER TABLE "Account" ADD CHECK (table_to_xml('public.looked', true, true, email) IS NOT NULL);""",
        """ALTER TABLE "Account" ADD CHECK (pg_input_is_valid(email, 'public.checked'));""",
        """ALTER TABLE "Account" ADD CHECK (pg_typeof(domain_in('x', 'public.checked'::regtype::oid, id)) IS NOT NULL);""",
    )
    with ground.database.session() as session:
        anew(session)
        session.script(own)
        for sql in asked:
            found = foreseen(ground, session, sql)
            assert (found.failing, found.passed, len(found.untried)) == ((), 0, 1), (sql, found)
            assert "Postgre" in found.untried[0].why or "more than is tried" in found.untried[0].why, found


def test_casts_of_users_between_types_of_postgresql_are_not_run(server18: Server, ground18: Context) -> None:
    asked = (
        'ALTER TABLE "Account" ALTER email TYPE int;',
        'ALTER TABLE "Account" ADD CHECK (lower(email) + 1 > 0);',
        'ALTER TABLE "Account" ADD FOREIGN KEY (email) REFERENCES "Order" (id);',
    )
    with server18.superuser(ground18.database.target.database).session() as session:
        anew(session)
        session.script("""CREATE FUNCTION mine(text) RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE 'it ran'; END$$;
            CREATE CAST (text AS int) WITH FUNCTION mine(text) AS IMPLICIT""")
        for sql in asked:
            (untried,) = foreseen(ground18, session, sql).untried
            assert untried.why == "there are casts that are not PostgreSQL's own"
        assert foreseen(ground18, session, 'ALTER TABLE "Order" ADD FOREIGN KEY (id) REFERENCES "Account";').passed == 1
        session.script("DROP SCHEMA public CASCADE")


def test_what_takes_too_long_is_held_by_others_or_may_not_be_read_is_not_tried_and_said(ground18: Context) -> None:
    heavy = 'ALTER TABLE "Account" ADD CHECK (length(repeat(repeat(email, 1000), 10000)) > 0);'
    hurried = replace(ground18, environment=replace(ground18.environment, preflight=Preflight(each=0.001)))
    late = replace(ground18, environment=replace(ground18.environment, preflight=Preflight(in_all=0.0)))
    with ground18.database.session() as session:
        anew(session)
        session.script(BAD)
        (slow,) = foreseen(hurried, session, heavy).untried or foreseen(hurried, session, heavy).notes
        assert "would take longer" in str(slow) or "cancelled" in str(slow)
        (over,) = foreseen(late, session, NOT_NULL).untried
        assert over.why == "all together would take longer than 0 s"
        with ground18.database.session() as other, other.transaction():
            other.script('LOCK TABLE "Account" IN ACCESS EXCLUSIVE MODE')
            (held,) = foreseen(ground18, session, NOT_NULL).untried
        assert held.why == "somebody holds the table"
        session.script('REVOKE ALL ON "Account" FROM CURRENT_USER')
        (unread,) = foreseen(ground18, session, NOT_NULL).untried
        assert unread.why == 'the role may not read "public"."Account"'
        assert not session.in_transaction


def test_what_is_written_in_an_unusual_way_is_not_tried(ground18: Context) -> None:
    deep = " + ".join(["age"] * 900)
    asked = (
        'ALTER TABLE "Account" ALTER email TYPE "varchar"(5,6);',
        'ALTER TABLE "Account" ALTER email TYPE "bpchar"(5+1);',
        f'ALTER TABLE "Account" ADD CHECK ({deep} > 0);',
    )
    with ground18.database.session() as session:
        anew(session)
        for sql in asked:
            found = foreseen(ground18, session, sql)
            assert (len(found.untried), found.failing, found.notes) == (1, (), ()), found


@pytest.mark.parametrize(
    ("before", "attaching", "why"),
    [
        ("CREATE TABLE h (a int) PARTITION BY HASH (a); CREATE TABLE x (a int)", "ALTER TABLE h ATTACH PARTITION x FOR VALUES WITH (MODULUS 2, REMAINDER 0)", "by hashes"),
        ("CREATE TABLE h (a int) PARTITION BY RANGE ((a + 1)); CREATE TABLE x (a int)", "ALTER TABLE h ATTACH PARTITION x FOR VALUES FROM (1) TO (2)", "by expressions"),
        ('CREATE TABLE h (a text COLLATE "C") PARTITION BY RANGE (a COLLATE "POSIX"); CREATE TABLE x (a text COLLATE "C")', "ALTER TABLE h ATTACH PARTITION x FOR VALUES FROM ('1') TO ('2')", "an order of its own"),
        ("CREATE TABLE x (LIKE parted)", "ALTER TABLE parted ATTACH PARTITION x DEFAULT", "what belongs to other partitions"),
        ("CREATE TABLE x (LIKE parted); CREATE UNIQUE INDEX ON parted (id, part)", "ALTER TABLE parted ATTACH PARTITION x FOR VALUES IN (3)", "the keys of \"parted\""),
        ("CREATE TABLE x (LIKE parted)", "CREATE TABLE n (LIKE parted) PARTITION BY LIST (part); ALTER TABLE n ATTACH PARTITION x FOR VALUES IN (3)", "no partitioned table as it is now"),
        ("CREATE TABLE x (LIKE parted)", "UPDATE x SET part = 3; ALTER TABLE parted ATTACH PARTITION x FOR VALUES IN (3)", "writes rows"),
        ("CREATE TABLE a PARTITION OF parted FOR VALUES IN (3, 4) PARTITION BY LIST (part); CREATE TABLE x (LIKE parted)", "ALTER TABLE a ATTACH PARTITION x FOR VALUES IN (3)", "the bound of \"a\" itself"),
    ],
)  # fmt: skip
def test_what_a_partition_demands_and_is_not_tried_is_said(
    before: str, attaching: str, why: str, ground18: Context
) -> None:
    with ground18.database.session() as session:
        anew(session)
        session.script(before)
        found = foreseen(ground18, session, attaching)
        assert found.failing == ()
        assert why in " ".join(map(str, found.untried)), found
        assert really(session, attaching) is None


def test_what_is_wrong_with_the_trial_itself_ends_no_deploy(ground18: Context) -> None:
    no_script: Any = None
    with ground18.database.session() as session:
        found = foresee(ground18, session, {"2_m/migration.sql": no_script})
        assert found.notes == ("Existing rows were not tried beforehand: unexpectedly, AttributeError.",)


def test_limits_of_the_role_do_not_end_the_session(ground18: Context) -> None:
    with ground18.database.session() as session, ground18.database.session() as other:
        anew(session)
        session.script("SET idle_in_transaction_session_timeout TO '1ms'; SET transaction_timeout TO '400ms'")
        with other.transaction():
            other.script('LOCK TABLE "Account" IN ACCESS EXCLUSIVE MODE')
            found = foreseen(ground18, session, NOT_NULL)
        assert [one.why for one in found.untried] == ["somebody holds the table"]
        assert session.rows("SHOW transaction_timeout") == [("400ms",)]


def test_what_is_demanded_of_a_renamed_table_or_of_a_view_is_told(ground18: Context) -> None:
    rename = 'ALTER TABLE "Account" RENAME TO people;'
    view = 'CREATE MATERIALIZED VIEW seen AS SELECT * FROM "Account";'
    index = "CREATE UNIQUE INDEX u ON seen (code);"
    asked = {
        f"{rename} ALTER TABLE people ALTER email SET NOT NULL, ADD UNIQUE (code);": "changes what",
        f"{rename} CREATE UNIQUE INDEX u ON people (code);": "changes what",
        'ALTER TABLE "Account" SET SCHEMA other; ALTER TABLE other."Account" ADD UNIQUE (code);': "changes what",
        f"{view} {index}": "fills it",
        index: "materialized views are not looked at",
        f"DROP MATERIALIZED VIEW seen; {view} {index}": "fills it",
    }
    with ground18.database.session() as session:
        anew(session)
        session.script(BAD + view)
        for sql, why in asked.items():
            found = foreseen(ground18, session, sql)
            assert [why in one.why for one in found.untried] == [True], (sql, found)


def test_a_place_is_told_by_the_file_that_the_migration_lies_in(ground18: Context) -> None:
    with ground18.database.session() as session:
        anew(session)
        session.script(BAD)
        (failing,) = foresee(ground18, session, {"0001_strict.sql": read_script("0001_strict", NOT_NULL)}).failing
        assert str(failing).startswith("0001_strict.sql:1:1: ")


def test_a_deploy_that_existing_rows_would_surely_make_fail_is_refused_before_it_begins(context18: Context) -> None:
    write_migration(context18, "1_init", TABLES + BAD)
    deploy(context18)
    runs = len(records(context18))
    write_migration(
        context18, "2_strict", f'CREATE TABLE n (a int);\n{NOT_NULL}\nCREATE UNIQUE INDEX u ON "Account" (code);'
    )
    planned = deploy(context18, dry_run=True)
    assert planned.plan
    assert [(one.line, one.kind, one.rows) for one in planned.preflight.failing] == [
        (2, "not null", 2),
        (3, "unique", 2),
    ]
    policy = Policy(frozenset(), frozenset({"ada"}), 1, 60.0, reason_wanted=False)
    asked = propose(context18, "deploy", {}, policy)
    assert "would make it fail: 2_strict/migration.sql:2" in asked.explanation.notes[0]
    assert asked.plan == propose(context18, "deploy", {}, policy, explain=False).plan == planned.plan.digest
    with pytest.raises(RowsInTheWay, match=r"2_strict/migration\.sql:2:1.*\"email\" is NULL in 2 rows") as caught:
        deploy(context18)
    assert (caught.value.exit_code, caught.value.details["result"].outcome) == (5, "planned")
    assert 'WHERE "email" IS NULL' in (caught.value.hint or "")
    assert len(records(context18)) == runs
    assert status(context18).pending == ("2_strict",)
    lax = replace(context18, environment=replace(context18.environment, preflight=Preflight(mode="tell")))
    with pytest.raises(MigrationFailed) as failed:
        deploy(lax)
    assert len(failed.value.details["result"].preflight.failing) == 2
    with context18.database.session() as session:
        session.script(FILL + ' UPDATE "Account" SET code = id')
    assert deploy(context18).preflight.passed == 2


def test_the_command_line_shows_what_existing_rows_would_make_fail(context18: Context) -> None:
    write_migration(context18, "1_init", TABLES + BAD)
    deploy(context18)
    write_migration(
        context18,
        "2_strict",
        f'{NOT_NULL}\nDELETE FROM "Account" WHERE id = 9;\nALTER TABLE "Account" ALTER code SET NOT NULL;',
    )
    answer = answered(lambda: deploy(context18, dry_run=True))
    shown = "\n".join(part for part in answer.view() if isinstance(part, str))
    assert answer.exit_code == 1
    assert 'would fail: 2_strict/migration.sql:1:1: ALTER TABLE: "email" is NULL in 2 rows of "Account"' in shown
    assert 'SELECT * FROM "public"."Account" WHERE "email" IS NULL LIMIT 100;' in shown
    assert 'not tried on existing rows: 2_strict/migration.sql:3:1: ALTER TABLE "Account": an earlier' in shown
    lax = replace(context18, environment=replace(context18.environment, preflight=Preflight(mode="tell")))
    told = answered(lambda: deploy(lax, dry_run=True))
    assert (told.exit_code, "would fail:" in "\n".join(p for p in told.view() if isinstance(p, str))) == (0, True)
    refused = answered(lambda: deploy(context18))
    assert (refused.exit_code, "would fail:" in "\n".join(p for p in refused.view() if isinstance(p, str))) == (5, True)
