"""Demands that a migration makes of existing rows, each with rows that do not meet it and rows that do."""

# ruff: noqa: E501 - statements are easier to compare where each is one line

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operations.context import Context
from operations.errors import StatementFailed
from operations.migrations.script import read_script
from operations.ports import Session
from operations.preflight.foreseeing import foresee
from operations.preflight.model import Foreseen

TABLES = """
    CREATE TYPE "Role" AS ENUM ('user', 'admin', 'guest');
    CREATE TABLE "Account" (id int PRIMARY KEY, email text, phone varchar(40), age int, role "Role", tags "Role"[],
                            code text, ratio float8, amount numeric, note char(10), at timestamptz);
    CREATE TABLE "Shop" (id int, area int, name text, PRIMARY KEY (id, area));
    CREATE TABLE "Order" (id int PRIMARY KEY, "accountId" int, "shopId" int, area int, total int, state text);
    CREATE TABLE parted (id int, part int, name text) PARTITION BY LIST (part);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
    INSERT INTO "Account" (id, email, phone, age, role, tags, code, ratio, amount, note, at)
    SELECT i, 'p' || i, '0' || i, i, 'user', '{user}', i::text, i, i, 'n' || i, '2024-01-01Z' FROM generate_series(1, 9) i;
    INSERT INTO "Shop" SELECT i, 1, 's' || i FROM generate_series(1, 5) i;
    INSERT INTO "Order" SELECT i, i, i, 1, i * 10, 'open' FROM generate_series(1, 5) i;
    INSERT INTO parted SELECT i, i % 2 + 1, 'p' || i FROM generate_series(1, 6) i;
"""


@dataclass(frozen=True)
class Case:
    """``bad`` are statements after which ``rows`` rows are in the way of ``sql``; ``good`` ones leave it possible.

    ``rows`` is ``None`` where they cannot be counted on every version.
    """

    name: str
    kind: str
    sql: str
    bad: str
    rows: int | None
    good: str = ""
    line: int = 1


def _set(column: str, value: str, where: str = "id <= 2") -> str:
    return f'UPDATE "Account" SET {column} = {value} WHERE {where};'


LOOSE = (
    "CREATE TABLE ranged (a int NOT NULL, b int NOT NULL) PARTITION BY RANGE (a, b); CREATE TABLE loose (LIKE ranged);"
    "INSERT INTO loose VALUES (1, -9), (4, 9), (5, 2);"
)
LISTED = "CREATE TABLE parted_3 (LIKE parted); INSERT INTO parted_3 VALUES (7, 3, 'x'), (8, NULL, 'y');"
REST = "CREATE TABLE rest PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (9, 4, 'x'), (10, NULL, 'y');"

CASES: Sequence[Case] = (
    Case("set not null", "not null", 'ALTER TABLE "Account" ALTER COLUMN email SET NOT NULL;', _set("email", "NULL"), 2),
    Case("set not null of an enum", "not null", 'ALTER TABLE "Account" ALTER role SET NOT NULL;', _set("role", "NULL"), 2),
    Case(
        "set not null on partitions", "not null", "ALTER TABLE parted ALTER name SET NOT NULL;",
        "UPDATE parted SET name = NULL WHERE id < 3;", 2,
    ),
    Case(
        "not null after others", "not null",
        'ALTER TABLE "Order" ADD COLUMN extra int;\n\nALTER TABLE "Account" ADD COLUMN x int,\n ALTER age SET NOT NULL;',
        _set("age", "NULL"), 2, line=3,
    ),
    Case(
        "a new required column", "new column", 'ALTER TABLE "Order" ADD COLUMN gross int NOT NULL;',
        "", 5, good='TRUNCATE "Order";',
    ),
    Case(
        "a new required column, DEFAULT NULL", "new column", 'ALTER TABLE "Order" ADD COLUMN g text DEFAULT NULL NOT NULL;',
        "", 5, good='TRUNCATE "Order";',
    ),
    Case(
        "a new required column in two steps", "new column",
        'ALTER TABLE "Order" ADD COLUMN gross int;\nALTER TABLE "Order" ALTER gross SET NOT NULL;',
        "", 5, good='TRUNCATE "Order";', line=2,
    ),
    Case(
        "a new required column of a new enum", "new column",
        "CREATE TYPE \"Kind\" AS ENUM ('a');\nALTER TABLE \"Order\" ADD COLUMN kind \"Kind\" NOT NULL;",
        "", 5, good='TRUNCATE "Order";', line=2,
    ),
    Case(
        "a column again", "new column", 'ALTER TABLE "Order" DROP COLUMN total, ADD COLUMN total text NOT NULL;',
        "", 5, good='TRUNCATE "Order";',
    ),
    Case(
        "a new unique column, the same everywhere", "unique",
        'ALTER TABLE "Order" ADD COLUMN slug text NOT NULL DEFAULT \'x\' UNIQUE;',
        "", 5, good='DELETE FROM "Order" WHERE id > 1;',
    ),
    Case("unique constraint", "unique", 'ALTER TABLE "Account" ADD CONSTRAINT u UNIQUE (phone);', _set("phone", "'1'"), 2,
         good=_set("phone", "NULL")),
    Case("unique index", "unique", 'CREATE UNIQUE INDEX "Account_phone_key" ON "Account" (phone);', _set("phone", "'1'"), 2,
         good=_set("phone", "NULL")),
    Case("unique index concurrently", "unique", 'CREATE UNIQUE INDEX CONCURRENTLY u ON "Account" (phone);',
         _set("phone", "'1'", "id < 4"), 3, good=_set("phone", "NULL")),
    Case("unique, nulls not distinct", "unique", 'CREATE UNIQUE INDEX u ON "Account" (phone) NULLS NOT DISTINCT;',
         _set("phone", "NULL"), 2, good=_set("phone", "NULL", "id = 1")),
    Case("unique over two columns", "unique", 'CREATE UNIQUE INDEX u ON "Account" (age, code DESC);',
         _set("age = 1, code", "'1'"), 2, good=_set("age", "1")),
    Case("unique expression", "unique", 'CREATE UNIQUE INDEX u ON "Account" (lower(email));',
         "UPDATE \"Account\" SET email = CASE id WHEN 1 THEN 'A' ELSE 'a' END WHERE id < 3;", 2,
         good="UPDATE \"Account\" SET email = CASE id WHEN 1 THEN 'A' ELSE 'b' END WHERE id < 3;"),
    Case("unique expression of operators", "unique", 'CREATE UNIQUE INDEX u ON "Account" ((age / 2), role);',
         "", 8, good="UPDATE \"Account\" SET age = id * 2;"),
    Case("partial unique index", "unique", 'CREATE UNIQUE INDEX u ON "Account" (age) WHERE role = \'admin\' AND phone IS NOT NULL;',
         _set("age = 1, role", "'admin'"), 2, good=_set("age", "1") + _set("role", "'admin'", "id = 1")),
    Case("attach by a range", "partition", "ALTER TABLE ranged ATTACH PARTITION loose FOR VALUES FROM (1, MINVALUE) TO (5, 3);",
         LOOSE + "INSERT INTO loose VALUES (5, 3), (0, 1);", 2, good=LOOSE),
    Case("attach without an end", "partition", "ALTER TABLE ranged ATTACH PARTITION loose FOR VALUES FROM (1, -9) TO (MAXVALUE, MAXVALUE);",
         LOOSE + "INSERT INTO loose VALUES (1, -10), (6, 1);", 1, good=LOOSE),
    Case("attach up to what ends a value", "partition", "ALTER TABLE ranged ATTACH PARTITION loose FOR VALUES FROM (0, MAXVALUE) TO (5, MAXVALUE);",
         LOOSE + "INSERT INTO loose VALUES (0, 7), (6, 1);", 2, good=LOOSE + "INSERT INTO loose VALUES (5, 7);"),
    Case("attach by a list", "partition", "ALTER TABLE parted ATTACH PARTITION parted_3 FOR VALUES IN (3, NULL);",
         LISTED + "INSERT INTO parted_3 VALUES (9, 4, 'z');", 1, good=LISTED),
    Case("attach by a list without NULL", "partition", "ALTER TABLE parted ATTACH PARTITION parted_3 FOR VALUES IN ('3');",
         LISTED, 1, good=LISTED + "DELETE FROM parted_3 WHERE part IS NULL;"),
    Case("attach what the default partition holds", "partition", "CREATE TABLE more (LIKE parted);\nALTER TABLE parted ATTACH PARTITION more FOR VALUES IN (4);",
         REST, 1, good=REST + "DELETE FROM parted WHERE part = 4;", line=2),
    Case("a new partition of what the default partition holds", "partition", "CREATE TABLE more PARTITION OF parted FOR VALUES IN (4, NULL);",
         REST, 2, good=REST + "DELETE FROM rest;"),
    Case("unique on partitions", "unique", "CREATE UNIQUE INDEX u ON parted (part, name);",
         "UPDATE parted SET name = 'x' WHERE part = 1;", 3, good="UPDATE parted SET name = 'x' || part WHERE id < 3;"),
    Case("primary key of what is twice", "unique", 'ALTER TABLE "Account" DROP CONSTRAINT "Account_pkey", ADD PRIMARY KEY (code);',
         _set("code", "'1'"), 2),
    Case("primary key of NULL", "not null", 'ALTER TABLE "Account" DROP CONSTRAINT "Account_pkey", ADD PRIMARY KEY (code);',
         _set("code", "NULL", "id = 1"), 1),
    Case("foreign key", "foreign key",
         'ALTER TABLE "Order" ADD CONSTRAINT f FOREIGN KEY ("accountId") REFERENCES "Account" (id) ON DELETE SET NULL;',
         'UPDATE "Order" SET "accountId" = 99 WHERE id < 4;', 3, good='UPDATE "Order" SET "accountId" = NULL WHERE id < 4;'),
    Case("foreign key to the primary key", "foreign key", 'ALTER TABLE "Order" ADD FOREIGN KEY ("accountId") REFERENCES "Account";',
         'UPDATE "Order" SET "accountId" = 99 WHERE id = 4;', 1),
    Case("foreign key of two columns", "foreign key",
         'ALTER TABLE "Order" ADD CONSTRAINT f FOREIGN KEY ("shopId", area) REFERENCES "Shop" (id, area);',
         'UPDATE "Order" SET area = 2 WHERE id < 3;', 2, good='UPDATE "Order" SET area = NULL, "shopId" = 99 WHERE id < 3;'),
    Case("foreign key, match full", "foreign key",
         'ALTER TABLE "Order" ADD CONSTRAINT f FOREIGN KEY ("shopId", area) REFERENCES "Shop" (id, area) MATCH FULL;',
         'UPDATE "Order" SET area = NULL WHERE id < 3;', 2, good='UPDATE "Order" SET area = NULL, "shopId" = NULL WHERE id < 3;'),
    Case("foreign key to itself", "foreign key", 'ALTER TABLE "Order" ADD FOREIGN KEY (total) REFERENCES "Order" (id);',
         "", 5, good='UPDATE "Order" SET total = id;'),
    Case("foreign key to a new table", "foreign key",
         'CREATE TABLE "City" (id int PRIMARY KEY);\nALTER TABLE "Order" ADD FOREIGN KEY (total) REFERENCES "City" (id);',
         "", 5, good='UPDATE "Order" SET total = NULL;', line=2),
    Case("foreign key added and validated", "foreign key",
         'ALTER TABLE "Order" ADD CONSTRAINT f FOREIGN KEY ("accountId") REFERENCES "Account" (id) NOT VALID;\n'
         'ALTER TABLE "Order" VALIDATE CONSTRAINT f;',
         'UPDATE "Order" SET "accountId" = 99 WHERE id < 4;', 3, line=2),
    Case("validating what stands", "foreign key", 'ALTER TABLE "Order" VALIDATE CONSTRAINT f;',
         "UPDATE \"Order\" SET \"accountId\" = 99 WHERE id < 4;"
         'ALTER TABLE "Order" ADD CONSTRAINT f FOREIGN KEY ("accountId") REFERENCES "Account" (id) NOT VALID;', 3,
         good='ALTER TABLE "Order" ADD CONSTRAINT f FOREIGN KEY ("accountId") REFERENCES "Account" (id) NOT VALID;'),
    Case("check", "check", 'ALTER TABLE "Order" ADD CONSTRAINT c CHECK (total >= 0);',
         'UPDATE "Order" SET total = -1 WHERE id < 3;', 2, good='UPDATE "Order" SET total = NULL WHERE id < 3;'),
    Case("check of several things", "check",
         "ALTER TABLE \"Account\" ADD CHECK (lower(email) LIKE 'p%' AND role IN ('user', 'admin') AND (age BETWEEN 1 AND 50"
         " OR coalesce(code, '') <> '' ) AND length(phone::text) < 20 AND at < now()) NO INHERIT;",
         _set("role", "'guest'"), 2, good=_set("role", "'admin'")),
    Case("check with an enum's cast", "check", "ALTER TABLE \"Account\" ADD CHECK (role <> 'guest'::\"Role\");",
         _set("role", "'guest'"), 2),
    Case("check that stands, validated", "check", 'ALTER TABLE "Account" VALIDATE CONSTRAINT c;',
         _set("role", "'guest'") + "ALTER TABLE \"Account\" ADD CONSTRAINT c CHECK (role <> 'guest'::\"Role\" OR lower(code) = 'x') NOT VALID;", 2,
         good="ALTER TABLE \"Account\" ADD CONSTRAINT c CHECK (role <> 'guest'::\"Role\" OR lower(code) = 'x') NOT VALID;"),
    Case("text to integer", "cast", 'ALTER TABLE "Account" ALTER COLUMN code TYPE integer USING (code::integer);',
         _set("code", "'secret'"), None, good=_set("code", "' 7 '")),
    Case("text to integer, by text", "cast", 'ALTER TABLE "Account" ALTER code SET DATA TYPE int USING code::text::int;',
         _set("code", "'secret'"), None, good=_set("code", "NULL")),
    Case("text to uuid", "cast", 'ALTER TABLE "Account" ALTER code TYPE uuid USING code::uuid;',
         "UPDATE \"Account\" SET code = gen_random_uuid(); " + _set("code", "'secret'"), None,
         good='UPDATE "Account" SET code = gen_random_uuid();'),
    Case("text to jsonb", "cast", 'ALTER TABLE "Account" ALTER email TYPE jsonb USING email::jsonb;',
         "", None, good="UPDATE \"Account\" SET email = '{}';"),
    Case("numeric to smallint", "cast", 'ALTER TABLE "Account" ALTER amount TYPE smallint;', _set("amount", "70000"), None),
    Case("numeric to a smaller one", "cast", 'ALTER TABLE "Account" ALTER amount TYPE numeric(4,2);', _set("amount", "100"), None,
         good=_set("amount", "99.994")),
    Case("shorter varchar", "cast", 'ALTER TABLE "Account" ALTER phone TYPE varchar(5);', _set("phone", "'012345'"), 2,
         good=_set("phone", "'01234   '")),
    Case("shorter varchar of a text", "cast", 'ALTER TABLE "Account" ALTER email TYPE varchar(5), ALTER code TYPE char(3);',
         _set("email", "'012345'"), 2, good=_set("email", "'01234'")),
    Case("cut on purpose", "cast", 'ALTER TABLE "Account" ALTER email TYPE varchar(5) USING email::varchar(6);',
         _set("email", "'0123456'"), 2, good=_set("email", "'01234'")),
    Case("an enum's values become fewer", "cast",
         "BEGIN;\nCREATE TYPE \"Role_new\" AS ENUM ('user', 'admin');\n"
         'ALTER TABLE "Account" ALTER COLUMN role TYPE "Role_new" USING (role::text::"Role_new");\n'
         'ALTER TYPE "Role" RENAME TO "Role_old";\nALTER TYPE "Role_new" RENAME TO "Role";\nCOMMIT;',
         _set("role", "'guest'"), 2, good=_set("role", "'admin'"), line=3),
    Case("an array's enum becomes smaller", "cast",
         "CREATE TYPE \"Role_new\" AS ENUM ('user', 'admin');\n"
         'ALTER TABLE "Account" ALTER COLUMN tags TYPE "Role_new"[] USING (tags::text::"Role_new"[]);',
         _set("tags", "'{user,guest}'"), 2, good=_set("tags", "'{}'", "id < 4") + _set("tags", "NULL", "id = 4"), line=2),
    Case("text to an enum", "cast", 'ALTER TABLE "Account" ALTER email TYPE "Role" USING email::"Role";',
         "", None, good="UPDATE \"Account\" SET email = 'guest';"),
)  # fmt: skip


def foreseen(context: Context, session: Session, *scripts: str) -> Foreseen:
    """What is told of scripts beforehand, in the order of their application."""
    read = {f"{n}_m/migration.sql": read_script(f"{n}_m", text) for n, text in enumerate(scripts, 2)}
    return foresee(context, session, read)


def really(session: Session, sql: str) -> str | None:
    """Apply it: the code of the error that it ends with, and everything as before where it does."""
    try:
        if "CONCURRENTLY" in sql:
            session.script(sql)
        else:
            with session.transaction():
                session.script(sql.replace("BEGIN;", "      ").replace("COMMIT;", "       "))
    except StatementFailed as error:
        return error.sqlstate
    return None


def anew(session: Session) -> None:
    """An empty schema with the tables of the cases."""
    session.script("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public;" + TABLES)
