"""What a statement is said to be, against what PostgreSQL does with it inside BEGIN."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from operations.adapters.postgres import PostgresSession
from operations.errors import ConnectionLost, StatementFailed
from operations.migrations.script import read_script

from .conftest import Server

SETUP = """
    CREATE TABLE t (a int PRIMARY KEY, b int); CREATE INDEX i ON t (b); CREATE INDEX j ON t (b);
    CREATE TABLE q (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF q FOR VALUES IN (1);
    CREATE TABLE p2 PARTITION OF q FOR VALUES IN (2); CREATE TABLE loose (a int);
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX mi ON m (a);
    CREATE TYPE e AS ENUM ('x'); CREATE SEQUENCE s; CREATE VIEW v AS SELECT 1 AS a;
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
    ALTER TABLE t CLUSTER ON i
"""
SUBSCRIPTION = "CREATE SUBSCRIPTION {} CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION x WITH (connect = false)"
EVERYWHERE = """
CREATE INDEX CONCURRENTLY k ON t (a)
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS k ON t (a)
CREATE INDEX k ON t (a)
DROP INDEX CONCURRENTLY i
DROP INDEX CONCURRENTLY IF EXISTS nothing
DROP INDEX i
DROP TABLE loose
REINDEX TABLE CONCURRENTLY t
REINDEX (CONCURRENTLY) INDEX i
REINDEX (CONCURRENTLY off, VERBOSE off) TABLE t
REINDEX (CONCURRENTLY 0) TABLE t
REINDEX TABLE t
REINDEX INDEX i
REINDEX SCHEMA public
REINDEX SYSTEM {database}
REINDEX DATABASE {database}
VACUUM t
VACUUM (ANALYZE) t
VACUUM
ANALYZE t
ANALYZE
CLUSTER t USING i
CLUSTER
CHECKPOINT
DISCARD ALL
DISCARD TEMP
DISCARD PLANS
CREATE DATABASE {other}_new
DROP DATABASE {other}
DROP DATABASE {other} WITH (FORCE)
ALTER DATABASE {other} SET TABLESPACE pg_default
ALTER DATABASE {other} RENAME TO {other}_renamed
ALTER DATABASE {other} CONNECTION LIMIT 7
ALTER DATABASE {other} SET work_mem = '8MB'
CREATE TABLESPACE {other} LOCATION '/nowhere/at/all'
DROP TABLESPACE IF EXISTS {other}
ALTER SYSTEM SET work_mem = '4MB'
ALTER SYSTEM RESET work_mem
ALTER TABLE q DETACH PARTITION p CONCURRENTLY
ALTER TABLE q DETACH PARTITION p
ALTER TABLE q ATTACH PARTITION loose DEFAULT
ALTER TYPE e ADD VALUE 'y'
ALTER TYPE e RENAME VALUE 'x' TO 'z'
ALTER TABLE t ADD COLUMN c int REFERENCES t
ALTER TABLE t ALTER b TYPE bigint
ALTER TABLE t SET LOGGED
CREATE TABLE n AS SELECT 1
CREATE UNLOGGED TABLE n (a int)
CREATE TEMP TABLE n (a int) ON COMMIT DROP
REFRESH MATERIALIZED VIEW CONCURRENTLY m
REFRESH MATERIALIZED VIEW m
TRUNCATE t
LOCK TABLE t
CREATE ROLE {role}
CREATE EXTENSION IF NOT EXISTS plpgsql
CREATE SCHEMA n CREATE TABLE n.x ()
CREATE PUBLICATION pub FOR TABLE t
CREATE EVENT TRIGGER g ON ddl_command_end EXECUTE FUNCTION pg_catalog.pg_event_trigger_ddl_commands()
CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()
CREATE POLICY g ON t USING (true)
CREATE RULE g AS ON INSERT TO v DO INSTEAD NOTHING
COMMENT ON TABLE t IS 'VACUUM; COMMIT'
GRANT SELECT ON t TO PUBLIC
COPY t TO '/dev/null'
DECLARE c CURSOR FOR SELECT 1
PREPARE x AS SELECT 1
NOTIFY n
LISTEN n
LOAD 'plpgsql'
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
SET CONSTRAINTS ALL DEFERRED
SET LOCAL lock_timeout = 0
SAVEPOINT x
BEGIN
COMMIT
ROLLBACK
COMMIT PREPARED 'x'
ROLLBACK PREPARED 'x'
EXPLAIN ANALYZE SELECT 1
SELECT pg_advisory_xact_lock(1)
DO $$ BEGIN PERFORM 1; END $$
DO $$ BEGIN COMMIT; END $$
DO $$ BEGIN IF true THEN ROLLBACK; END IF; END $$
DO $$ <<l>> BEGIN CALL commits(); END $$
DO $$ DECLARE commit int := 1; BEGIN commit := commit + 1; END $$
CALL commits()
CREATE SUBSCRIPTION {sub}2 CONNECTION 'host=127.0.0.1 port=1' PUBLICATION x
CREATE SUBSCRIPTION {sub}2 CONNECTION 'host=127.0.0.1 port=1' PUBLICATION x WITH (connect = false)
CREATE SUBSCRIPTION {sub}2 CONNECTION 'host=127.0.0.1 port=1' PUBLICATION x WITH (create_slot = false)
ALTER SUBSCRIPTION {sub} SET PUBLICATION x
ALTER SUBSCRIPTION {sub} SET PUBLICATION x WITH (refresh = false)
ALTER SUBSCRIPTION {sub} REFRESH PUBLICATION
ALTER SUBSCRIPTION {sub} SET (synchronous_commit = off)
ALTER SUBSCRIPTION {sub} DISABLE
DROP SUBSCRIPTION {sub}
""".strip().splitlines()
ONLY_18 = """
ALTER TABLE t ADD CONSTRAINT c NOT NULL b NOT VALID
ALTER TABLE t ALTER CONSTRAINT t_pkey DEFERRABLE
CREATE TABLE n (a int, b int GENERATED ALWAYS AS (a) VIRTUAL)
MERGE INTO t USING loose ON true WHEN NOT MATCHED BY SOURCE THEN DELETE
ALTER SUBSCRIPTION {off} SET (failover = true)
ALTER SUBSCRIPTION {off} SET (two_phase = true)
ALTER SUBSCRIPTION {off} SET (two_phase = false)
VACUUM (ONLY_DATABASE_STATS)
""".strip().splitlines()
REFUSED_IN_A_TRANSACTION = frozenset({"25001", "2D000"})


class Ground:
    """A database where every statement of the table finds what it speaks of; a superuser's session."""

    def __init__(self, server: Server) -> None:
        self.server, self.major = server, server.major
        tag = uuid.uuid4().hex[:8]
        self.names = {
            "database": server.create(f"ground_{tag}", owner="postgres"),
            "other": server.create(f"other_{tag}", owner="postgres"),
            "sub": f"sub_{tag}",
            "off": f"off_{tag}",
            "role": f"role_{tag}",
        }
        self.session = self._connect()
        self.session.script(SETUP)
        for name in (self.names["sub"], self.names["off"]):
            self.session.execute(SUBSCRIPTION.format(name))
        self.session.execute(f"ALTER SUBSCRIPTION {self.names['sub']} ENABLE")

    def _connect(self) -> PostgresSession:
        return self.server.superuser(self.names["database"]).connect()

    def close(self) -> None:
        for name in (self.names["sub"], self.names["off"]):
            self.session.execute(f"ALTER SUBSCRIPTION {name} DISABLE")
            self.session.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")
            self.session.execute(f"DROP SUBSCRIPTION {name}")
        self.session.close()

    def inside_begin(self, statement: str) -> str:
        """The SQLSTATE that the statement ends with, after BEGIN; everything is undone."""
        self.session.execute("BEGIN")
        try:
            self.session.execute(statement)
        except StatementFailed as error:
            return error.sqlstate
        except ConnectionLost:  # of a subscription, to its publisher
            return "08006"
        finally:
            self.session.script("ROLLBACK")
        return "00000"


@pytest.fixture(scope="module", params=[15, 18], ids=["pg15", "pg18"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    ground = Ground(request.getfixturevalue(f"server{request.param}"))
    yield ground
    ground.close()


def test_transactional_is_what_postgresql_accepts_inside_begin(ground: Ground) -> None:
    wrong, accepted = [], 0
    for template in EVERYWHERE + (ONLY_18 if ground.major == 18 else []):
        text = template.format_map(ground.names)
        sqlstate = ground.inside_begin(text)
        (statement,) = read_script("m", text).statements or ()
        accepted += sqlstate == "00000"
        if statement.transactional is (sqlstate in REFUSED_IN_A_TRANSACTION):
            wrong.append((text, sqlstate))
    assert wrong == []
    assert accepted > 50
