"""The hash of a table's rows changes with every value, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.backups.manifest import SequenceState, TableRows
from operations.backups.rows import count_rows, counting, differences
from operations.backups.sequences import sequence_differences, unmoved
from operations.backups.tables import Column, Table
from operations.ports import Session

from .conftest import Server

pytestmark = pytest.mark.each_version

TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE t (id int, big bigint, small smallint, yes bool, u uuid, ts timestamp, tz timestamptz, clock time, d date,
  txt text, code varchar(9), fixed char(9), n numeric, f float8, b bytea, j jsonb, a int[], m mood, i interval);
INSERT INTO t (id) VALUES (1), (2), (3);
"""
VALUES = {
    "big": ("0", "1", "-1"),
    "small": ("0", "7"),
    "yes": ("false", "true"),
    "u": ("'00000000-0000-0000-0000-000000000000'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    "ts": ("'epoch'", "'infinity'", "'2024-02-29 12:00:00.000001'"),
    "tz": ("'1970-01-01 00:00:00Z'", "'-infinity'", "'2024-02-29 12:00:00.000001+05'"),
    "clock": ("'0:00'", "'24:00'"),
    "d": ("'2000-01-01'", "'infinity'"),
    "txt": ("''", "' '", "'NULL'", r"'\N'", "E'\\n'", "'x'"),
    "code": ("''", "'x'"),
    "fixed": ("''", "'x'"),
    "n": ("0", "1.0", "1.00", "'NaN'", "'Infinity'", "'-Infinity'", "-1"),
    "f": ("0", "'-0'", "'NaN'", "1e-300", "0.1", "0.10000000000000002"),
    "b": (r"'\x'", r"'\x00'", r"'\x30'"),
    "j": ("'{}'", "'null'", "'1.0'", "'1.00'", "'-1.0'", "'\"1.0\"'", "'[1.0]'", "'{\"a\": 1}'"),
    "a": ("'{}'", "'{NULL}'", "'{1}'", "'[2:2]={1}'"),
    "m": ("'sad'", "'glad'"),
    "i": ("'1 day'", "'24 hours'"),
}


@pytest.fixture
def session(database: PostgresDatabase) -> Iterator[Session]:
    with database.session() as session:
        session.script(TABLE)
        yield session


def hash_of(session: Session, name: str = "public.t") -> str | None:
    return count_rows(session)[name].hash


def test_every_value_has_its_own_hash(session: Session) -> None:
    empty = hash_of(session)
    for column, values in VALUES.items():
        seen = {empty}
        for value in values:
            session.execute(f"UPDATE t SET {column} = {value} WHERE id = 2")
            seen.add(hash_of(session))
        assert len(seen) == len(values) + 1, column
        session.execute(f"UPDATE t SET {column} = NULL")
        assert hash_of(session) == empty


def test_values_that_change_places_are_noticed(session: Session) -> None:
    session.script("UPDATE t SET big = id, txt = 'x' || id, code = 'y' || id")
    before = hash_of(session)
    session.script("UPDATE t SET txt = 'x' || (4 - id)")
    assert hash_of(session) != before, "between rows"
    session.script("UPDATE t SET txt = 'y' || id, code = 'x' || id")
    assert hash_of(session) != before, "between columns"


def test_a_row_twice_or_not_at_all_is_noticed(session: Session) -> None:
    before = count_rows(session)["public.t"]
    session.script("INSERT INTO t (id) VALUES (3)")
    twice = count_rows(session)["public.t"]
    assert (before.rows, twice.rows) == (3, 4)
    session.script("DELETE FROM t WHERE id = 3; INSERT INTO t (id) VALUES (2)")
    assert count_rows(session)["public.t"].rows == before.rows
    assert hash_of(session) != before.hash


def test_order_of_rows_and_columns_settings_and_oids_do_not_matter(session: Session) -> None:
    session.script(
        "UPDATE t SET tz = '2024-01-01 00:00:00Z', f = 0.1, i = '-1 day 02:03', m = 'glad', b = 'x', d = '2024-02-03';"
        "CREATE TABLE again (LIKE t); ALTER TABLE again DROP COLUMN id, DROP COLUMN m;"
        "ALTER TABLE again ADD m mood, ADD id int;"
        "INSERT INTO again (id, tz, f, i, m, b, d) SELECT id, tz, f, i, m, b, d FROM t ORDER BY id DESC"
    )
    before = hash_of(session)
    assert hash_of(session, "public.again") == before
    session.script(
        "SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET intervalstyle = 'sql_standard';"
        "SET extra_float_digits = -3; SET bytea_output = 'escape'; SET search_path = ''"
    )
    assert hash_of(session) == before
    assert session.rows("SHOW timezone") == [("Asia/Tokyo",)]
    session.script("ALTER TYPE public.mood RENAME TO old; CREATE TYPE public.mood AS ENUM ('glad', 'sad')")
    session.script("ALTER TABLE public.t ALTER m TYPE public.mood USING m::text::public.mood")
    assert hash_of(session) == before


def test_the_open_transaction_is_seen_and_left_as_it_was(session: Session) -> None:
    with session.transaction():
        session.execute("SET LOCAL lock_timeout = '7s'")
        session.execute("DELETE FROM t")
        assert count_rows(session, ["public.t"]) == {"public.t": TableRows(0, "0")}
        assert session.rows("SHOW lock_timeout") == [("7s",)]
    assert count_rows(session, []) == {}


def test_rows_of_an_extensions_own_tables_are_not_counted(server: Server) -> None:
    """But those of a configuration table are, by the extension's condition: a dump has exactly these."""
    with server.superuser(server.create()).session() as session:
        session.script(
            "CREATE EXTENSION citext; CREATE TABLE own (a int); CREATE TABLE conf (a int);"
            "INSERT INTO own VALUES (1); INSERT INTO conf VALUES (1), (2), (3);"
            "ALTER EXTENSION citext ADD TABLE own; ALTER EXTENSION citext ADD TABLE conf;"
            "UPDATE pg_extension SET extconfig = ARRAY['conf'::regclass::oid], extcondition = ARRAY['WHERE a > 1']"
            " WHERE extname = 'citext'"
        )
        assert {name: rows.rows for name, rows in count_rows(session).items()} == {"public.conf": 2}


def test_a_users_own_cast_is_not_run(session: Session) -> None:
    session.script(
        "CREATE FUNCTION spy(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;"
        "CREATE CAST (mood AS text) WITH FUNCTION spy(mood) AS IMPLICIT; UPDATE t SET m = 'sad'"
    )
    assert hash_of(session) is not None


def test_many_columns_are_hashed_in_pieces() -> None:
    columns = tuple(Column(f"c{number:04}", "int4", "int4out") for number in range(1600))
    statement = counting(Table("t", "s", "t", columns=columns), hashed=True)
    assert statement.count("coalesce(r.") == 1600
    assert counting(Table("t", "s", 'T"', condition="WHERE x"), hashed=False) == (
        'SELECT \'t\', count(*), NULL::text FROM ONLY "s"."T""" AS r WHERE x'
    )


def test_differences_are_said_in_words() -> None:
    assert differences("t", TableRows(1, "5"), TableRows(1, "5")) is None
    assert differences("t", TableRows(1, "5"), TableRows(1)) is None
    assert differences("t", TableRows(2), TableRows(0)) == "t: 2 rows in the backup, 0 after the restore"
    assert "hashes differ" in str(differences("t", TableRows(2, "5"), TableRows(2, "6")))
    assert "missing" in str(differences("t", TableRows(2), None))
    before = {"a": SequenceState(1, True), "b": SequenceState(5, False), "c": SequenceState(1, True)}
    expected = unmoved(before, {"a": SequenceState(2, True), "b": SequenceState(5, False)})
    assert expected == {"a": None, "b": SequenceState(5, False), "c": None}
    assert sequence_differences(expected, {"b": SequenceState(5, True)}) == (
        "sequence b: 5 (not called yet) in the backup, 5 after the restore",
    )
