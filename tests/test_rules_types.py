"""Which changes of type write a table anew, and what a real server says to that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.catalog import read
from operations.errors import StatementFailed
from operations.migrations.script import read_script
from operations.ports import Session
from operations.rules.changes import advance
from operations.rules.linting import lint, read_source
from operations.rules.schema import Domain, Schema, schema_of
from operations.rules.state import State
from operations.rules.types import keeps_rows, parsed_type

from .conftest import Server
from .corpus import HISTORIES, corpus

TYPES = (
    *("integer", "bigint", "numeric", "numeric(10,2)", "numeric(12,2)", "numeric(12,3)", "numeric(12)"),
    *("text", "character varying", "character varying(10)", "character varying(20)", "character(10)", "text[]"),
    *("bit varying", "bit varying(5)", "bit varying(9)", "cidr", "inet", "xml", "character varying(10)[]"),
    *("label", "email", "short"),
)
TIMES = (
    *("timestamp without time zone", "timestamp(3) without time zone", "timestamp(6) without time zone"),
    *("timestamp with time zone", "timestamp(3) with time zone", "date", "time(3) without time zone"),
)
DOMAINS = {
    ("public", "label"): Domain("text", constrained=False),
    ("public", "email"): Domain("text", constrained=True),
    ("public", "short"): Domain("character varying(10)", constrained=False),
}
MAKE = (
    "CREATE DOMAIN label AS text; CREATE DOMAIN email AS text CHECK (VALUE <> ''); CREATE DOMAIN short AS varchar(10)"
)


def rewritten(session: Session, old: str, new: str) -> bool | None:
    """Whether the table got a new file; ``None`` where the change is refused."""
    session.script(f"DROP TABLE IF EXISTS t; CREATE TABLE t (c {old})")
    file = "SELECT relfilenode::bigint FROM pg_class WHERE relname = 't'"
    (before,) = session.rows(file)
    try:
        session.execute(f"ALTER TABLE t ALTER COLUMN c TYPE {new}")
    except StatementFailed:
        return None
    return session.rows(file) != [before]


def test_what_is_said_to_keep_the_rows_keeps_them_and_all_else_does_not(database: PostgresDatabase) -> None:
    with database.session() as session:
        session.script(f"SET client_min_messages = 'error'; {MAKE}")
        assert list(disagreements(session, TYPES, utc=True)) == []
        for zone in ("UTC", "Europe/Rome"):
            session.script(f"SET timezone = '{zone}'")
            assert list(disagreements(session, TIMES, utc=zone == "UTC")) == []


def disagreements(session: Session, types: Sequence[str], utc: bool) -> Iterator[tuple[str, str, bool]]:
    for old in types:
        for new in types:
            before, after = parsed_type(old), parsed_type(new)
            assert before
            assert after
            keeps = keeps_rows(before, after, DOMAINS, "public", utc)
            fact = rewritten(session, old, new)
            if fact is not None and fact == keeps:
                yield old, new, keeps
    assert rewritten(session, "integer", "bigint")


@pytest.mark.corpus
@pytest.mark.parametrize("name", HISTORIES)
def test_the_state_after_a_history_is_the_schema_that_the_server_has(name: str, server15: Server) -> None:
    """Tables, columns, NOT NULL and names of indexes, but for what DO blocks make, and types that are renamed."""
    state = State(None)
    with server15.owned().session() as session:
        for file in sorted(corpus(name).glob("*/migration.sql"), key=lambda file: file.parent.name.encode()):
            text = file.read_text(encoding="utf-8")
            run(session, text)
            source = read_source(file.parent.name, text)
            for one, transaction in zip(source.parsed, source.transactions, strict=True):
                advance(state, one.node, (source.file, transaction))
        schema = schema_of(read(session))
    differing = [table for table in schema.tables if not agrees(state, schema, table)]
    assert len(schema.tables) > 10
    assert len(differing) <= len(schema.tables) // 20, differing


def run(session: Session, text: str) -> None:
    script = read_script("m", text)
    for part in [text] if script.verdict.atomic else [one.text for one in script.statements or ()]:
        session.script(part)


def agrees(state: State, schema: Schema, name: tuple[str, str]) -> bool:
    table, real = state.table(name), schema.tables[name]
    modifiers = {key: found and found.modifiers for key, found in table.columns.items()}
    types = {key: parsed_type(column.type) for key, column in real.columns.items()}
    not_null = {key for key, column in real.columns.items() if column.not_null}
    same = modifiers == {key: found and found.modifiers for key, found in types.items()}
    return same and table.not_null == not_null and set(table.indexes) <= set(real.indexes)


def test_the_schema_tells_what_a_database_holds(server18: Server) -> None:
    with server18.owned().session() as session:
        session.script(
            """CREATE SCHEMA "s p"; CREATE DOMAIN "s p".d AS int NOT NULL;
            CREATE TABLE "s p"."a""b" (id serial PRIMARY KEY, x "s p".d, y text DEFAULT '1');
            CREATE INDEX "odd ON name" ON "s p"."a""b" USING btree (y) WHERE x > 0;
            ALTER TABLE "s p"."a""b" ADD CONSTRAINT c CHECK (y <> '') NOT VALID;"""
        )
        schema = schema_of(read(session), {("s p", 'a"b'): 7})
    table = schema.tables["s p", 'a"b']
    assert table.rows == 7
    assert {name: (column.type, column.not_null) for name, column in table.columns.items()} == {
        "id": ("integer", True),
        "x": ('"s p".d', False),
        "y": ("text", False),
    }
    assert set(table.indexes) == {'a"b_pkey', "odd ON name"}
    assert table.constraints["c"].endswith("NOT VALID")
    assert schema.domains["s p", "d"] == Domain("integer", constrained=True)


def test_a_base_database_and_no_database_agree_about_what_is_dangerous(server18: Server) -> None:
    base = "CREATE TABLE t (a int, b varchar(5)); CREATE INDEX i ON t (a);"
    change = "CREATE INDEX j ON t (b); ALTER TABLE t ALTER COLUMN a TYPE bigint; DROP INDEX i; DROP TABLE t;"
    with server18.owned().session() as session:
        session.script(base)
        schema = schema_of(read(session))
    source = read_source("m/migration.sql", change)
    assert [one.rule for one in lint([source], schema)] == [one.rule for one in lint([source])]
