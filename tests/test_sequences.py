"""Where sequences stand is read within seconds or not at all, and whoever else is at work."""

from __future__ import annotations

from typing import Any

import pytest

from operations import sequences
from operations.adapters.postgres import PostgresDatabase
from operations.errors import ConnectionLost, StatementFailed
from operations.sequences import Position, behind, positions
from operations.taken_back import taken_back

from .conftest import Server


@pytest.fixture
def database(server15: Server) -> PostgresDatabase:
    database = server15.owned()
    with database.session() as session:
        session.execute("CREATE TABLE t (id serial)")
    return database


def test_a_sequence_that_somebody_has_locked_is_not_waited_for_without_end(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sequences.LIMITS, "lock_timeout", "50ms")
    with database.session() as other, database.session() as session:
        session.execute("SET statement_timeout TO '30s'")
        other.script("BEGIN; TRUNCATE t RESTART IDENTITY")
        with pytest.raises(StatementFailed) as caught:
            positions(session)
        assert caught.value.sqlstate == "55P03"
        other.execute("ROLLBACK")
        assert list(positions(session)) == ["public.t_id_seq"]
        assert session.rows("SHOW lock_timeout") == [("0",)]


@pytest.mark.parametrize("within", [False, True])
def test_a_sequence_that_is_dropped_meanwhile_is_left_out(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch, within: bool
) -> None:
    with database.session() as other, database.session() as session:
        other.execute("CREATE SEQUENCE gone")
        read = session.rows

        def rows(query: str, params: Any = ()) -> Any:
            found = read(query, params)
            if query == sequences._NAMES:
                other.execute("DROP SEQUENCE IF EXISTS gone")
            return found

        monkeypatch.setattr(session, "rows", rows)
        if within:
            session.execute("BEGIN")
        assert list(positions(session)) == ["public.t_id_seq"]
        assert session.in_transaction == within


def test_a_sequence_that_began_anew_as_it_should_has_not_fallen_back(database: PostgresDatabase) -> None:
    with database.session() as session:
        session.script("CREATE SEQUENCE turns MAXVALUE 3 CYCLE; SELECT nextval('turns') FROM generate_series(1, 3)")
        before = positions(session)
        session.rows("SELECT nextval('turns')")
        assert list(behind(before, positions(session))) == []
    fallen = {"s": Position(9, True, 1)}, {"s": Position(1, True, 1)}
    assert list(behind(*fallen)) == ["sequence s would have given 10 next, and then gives 2 again"]


@pytest.mark.parametrize("within", [False, True])
def test_of_a_lost_connection_the_first_message_stands(database: PostgresDatabase, within: bool) -> None:
    with database.session() as other, database.session() as session:
        if within:
            session.execute("BEGIN")
        with pytest.raises(ConnectionLost, match="administrator command"), taken_back(session):
            other.rows("SELECT pg_terminate_backend(%s)", (session.pid,))
            session.rows("SELECT 1")


@pytest.mark.parametrize("within", [False, True])
def test_what_is_taken_back_never_happened(database: PostgresDatabase, within: bool) -> None:
    with database.session() as session:
        if within:
            session.script("BEGIN; CREATE TABLE before (a int)")
        with taken_back(session):
            session.script("CREATE TABLE z (a int); SET LOCAL work_mem = '7MB'")
        assert session.in_transaction == within
        with pytest.raises(StatementFailed), taken_back(session):
            session.execute("SELECT 1/0")
        assert session.rows("SELECT to_regclass('z'), to_regclass('before')::text") == [
            (None, "before" if within else None)
        ]
        assert session.rows("SHOW work_mem") != [("7MB",)]
