"""What undoes a statement, and that it does."""

from __future__ import annotations

import pytest

from operations import catalog
from operations.adapters.postgres import PostgresDatabase
from operations.migrations.inverse import NOTHING, inverse
from operations.migrations.script import read_script

SETUP = """
    CREATE TABLE t (id int PRIMARY KEY, a int, "B" text); CREATE TABLE u (id int PRIMARY KEY); CREATE SCHEMA s;
    CREATE TABLE s.t (a int NOT NULL); CREATE TYPE mood AS ENUM ('old'); CREATE VIEW v AS SELECT 1 AS a;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE INDEX i ON t (a); CREATE SEQUENCE q;
    CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noop(); CREATE POLICY p ON t USING (true);
    CREATE TYPE pair AS (a int); ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)
"""
UNDONE = {
    'CREATE INDEX "I é" ON t (a)': 'DROP INDEX "I é"',
    "CREATE INDEX j ON s.t (a)": 'DROP INDEX "s"."j"',
    "CREATE UNIQUE INDEX CONCURRENTLY j ON t (a)": 'DROP INDEX "j"',
    "CREATE TABLE n (a int REFERENCES u, b serial)": 'DROP TABLE "n"',
    'CREATE TABLE s."N" AS SELECT 1 AS a': 'DROP TABLE "s"."N"',
    "SELECT 1 AS a INTO n": 'DROP TABLE "n"',
    "CREATE MATERIALIZED VIEW n AS SELECT 1 AS a": 'DROP MATERIALIZED VIEW "n"',
    "CREATE VIEW n AS SELECT * FROM t": 'DROP VIEW "n"',
    "ALTER TABLE t ADD COLUMN c1 int NOT NULL DEFAULT 3 REFERENCES u, ADD COLUMN \"C 2\" text":
        'ALTER TABLE "t" DROP COLUMN "C 2", DROP COLUMN "c1"',
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id) NOT VALID": 'ALTER TABLE "t" DROP CONSTRAINT "f"',
    "ALTER TABLE s.t ADD CONSTRAINT k PRIMARY KEY (a)": 'ALTER TABLE "s"."t" DROP CONSTRAINT "k"',
    "CREATE TYPE e AS ENUM ('a', 'b')": 'DROP TYPE "e"',
    "CREATE TYPE s.e AS (a int)": 'DROP TYPE "s"."e"',
    "CREATE TYPE r AS RANGE (subtype = date)": 'DROP TYPE "r"',
    "CREATE DOMAIN d AS int CHECK (value > 0)": 'DROP DOMAIN "d"',
    "CREATE SEQUENCE n": 'DROP SEQUENCE "n"',
    "CREATE SCHEMA n": 'DROP SCHEMA "n"',
    "CREATE FUNCTION f(a int, OUT b text, VARIADIC c int[]) LANGUAGE sql AS 'SELECT 1::text'":
        'DROP FUNCTION "f"(integer, VARIADIC integer[])',
    'CREATE FUNCTION s.f(a "mood") RETURNS TABLE (x int) LANGUAGE sql AS \'SELECT 1\'':
        'DROP FUNCTION "s"."f"(mood)',
    "CREATE PROCEDURE f(INOUT a numeric(3, 1)) LANGUAGE plpgsql AS 'BEGIN END'":
        'DROP PROCEDURE "f"(INOUT numeric(3, 1))',
    "CREATE TRIGGER n AFTER UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION noop()": 'DROP TRIGGER "n" ON "s"."t"',
    "CREATE POLICY n ON u FOR SELECT USING (true)": 'DROP POLICY "n" ON "u"',
    "CREATE RULE n AS ON INSERT TO u DO INSTEAD NOTHING": 'DROP RULE "n" ON "u"',
    "CREATE STATISTICS n ON id, a FROM t": 'DROP STATISTICS "n"',
    "CREATE COLLATION n FROM \"C\"": 'DROP COLLATION "n"',
    "ALTER TABLE t RENAME TO n": 'ALTER TABLE "n" RENAME TO "t"',
    "ALTER TABLE s.t RENAME TO n": 'ALTER TABLE "s"."n" RENAME TO "t"',
    'ALTER TABLE t RENAME "B" TO b': 'ALTER TABLE "t" RENAME COLUMN "b" TO "B"',
    "ALTER TABLE t RENAME CONSTRAINT c TO d": 'ALTER TABLE "t" RENAME CONSTRAINT "d" TO "c"',
    "ALTER INDEX i RENAME TO n": 'ALTER INDEX "n" RENAME TO "i"',
    "ALTER VIEW v RENAME TO n": 'ALTER VIEW "n" RENAME TO "v"',
    "ALTER MATERIALIZED VIEW m RENAME TO n": 'ALTER MATERIALIZED VIEW "n" RENAME TO "m"',
    "ALTER SEQUENCE q RENAME TO n": 'ALTER SEQUENCE "n" RENAME TO "q"',
    "ALTER TYPE mood RENAME TO n": 'ALTER TYPE "n" RENAME TO "mood"',
    "ALTER TYPE mood RENAME VALUE 'old' TO 'it''s'": "ALTER TYPE \"mood\" RENAME VALUE 'it''s' TO 'old'",
    "ALTER TRIGGER g ON t RENAME TO n": 'ALTER TRIGGER "n" ON "t" RENAME TO "g"',
    "ALTER POLICY p ON t RENAME TO n": 'ALTER POLICY "n" ON "t" RENAME TO "p"',
    "ANALYZE t": NOTHING,
    "VACUUM t": NOTHING,
    "REINDEX TABLE CONCURRENTLY t": NOTHING,
    "SET lock_timeout = '1s'": NOTHING,
}  # fmt: skip
UNKNOWN = """
CREATE INDEX ON t (a)
CREATE INDEX IF NOT EXISTS i ON t (a)
CREATE TABLE IF NOT EXISTS t ()
CREATE OR REPLACE VIEW v AS SELECT 1 AS a
CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE SCHEMA IF NOT EXISTS s
CREATE EXTENSION IF NOT EXISTS plpgsql
ALTER TABLE t ADD COLUMN IF NOT EXISTS a int
ALTER TABLE IF EXISTS t ADD COLUMN c int
ALTER TABLE t ADD CHECK (a > 1)
ALTER TABLE t ADD COLUMN c int, DROP COLUMN a
ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX i
ALTER TABLE t ALTER a SET NOT NULL
ALTER TABLE t ALTER a TYPE bigint
ALTER TYPE mood ADD VALUE 'new'
ALTER TYPE pair ADD ATTRIBUTE b int
ALTER TYPE pair RENAME ATTRIBUTE a TO b
DROP TABLE t
DROP INDEX CONCURRENTLY i
INSERT INTO t VALUES (1)
UPDATE t SET a = 1
SELECT 1
SELECT setval('q', 9)
DO $$ BEGIN END $$
GRANT SELECT ON t TO PUBLIC
COMMENT ON TABLE t IS 'x'
SELECT 1; SELECT 2

nonsense
""".splitlines()[1:]


@pytest.mark.parametrize("statement", UNDONE)
def test_inverse(statement: str) -> None:
    assert inverse(statement) == UNDONE[statement]
    assert read_script("m", UNDONE[statement]).verdict.atomic


@pytest.mark.parametrize("statement", UNKNOWN)
def test_no_inverse(statement: str) -> None:
    assert inverse(statement) is None


def test_inverses_bring_the_schema_back(database: PostgresDatabase) -> None:
    with database.session() as session:
        session.script(SETUP)
        before = catalog.read(session)
        for statement, undone in UNDONE.items():
            session.execute(statement)
            session.script(undone)
        assert catalog.diff(before, catalog.read(session)) == ()
