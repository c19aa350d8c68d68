"""psycopg's errors as ours, on real servers."""

from __future__ import annotations

import socket
import threading

import psycopg
import pytest

from operations.adapters import refusals
from operations.adapters.postgres import PostgresDatabase
from operations.database_url import parse_database_url
from operations.errors import (
    AuthenticationFailed,
    ConnectionLost,
    DatabaseMissing,
    DatabaseUnreachable,
    LocktenderError,
    StatementFailed,
)
from operations.quoting import identifier
from operations.secret import Secret

from .conftest import Server
from .pooler import pgbouncer, through

pytestmark = pytest.mark.each_version


def test_script_tells_which_statement_failed_and_where(database: PostgresDatabase) -> None:
    with database.session() as session:
        with pytest.raises(StatementFailed) as caught:
            session.script("SELECT 1;\nSELECT 'ä', nope; SELECT 3")
        assert (caught.value.sqlstate, caught.value.statement, caught.value.position) == ("42703", 1, 22)
        with pytest.raises(StatementFailed) as caught:
            session.script("SELECT 1; SELECT 1/0")
        assert (caught.value.statement, caught.value.position) == (1, None)
        assert session.rows("SELECT %s::int + 1", (1,)) == [(2,)]


def test_connection_errors_are_told_apart(server: Server) -> None:
    name = server.create()
    wrong = server.url(name, password=Secret("wrong"))
    with pytest.raises(AuthenticationFailed) as caught:
        PostgresDatabase(parse_database_url(wrong)).connect()
    assert caught.value.prisma_code == "P1000"
    assert "wrong" not in str(caught.value)
    with pytest.raises(DatabaseMissing, match="no_such"):
        PostgresDatabase(parse_database_url(server.url("no_such"))).connect()
    with pytest.raises(DatabaseUnreachable) as unreachable:
        PostgresDatabase(parse_database_url(Secret("postgresql://u:secretpw@127.0.0.1:1/x"))).connect()
    assert unreachable.value.prisma_code == "P1001"
    assert "secretpw" not in str(unreachable.value)


def test_a_missing_database_is_told_whatever_language_the_server_speaks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "_sqlstate_in", lambda _: None)  # as if not one word were known
    with pytest.raises(DatabaseMissing, match="no_such"):
        PostgresDatabase(parse_database_url(server.url("no_such"))).connect()
    name = server.create()
    with pytest.raises(DatabaseUnreachable, match="takes no connection") as caught:
        PostgresDatabase(parse_database_url(server.url(name, password=Secret("wrong")))).connect()
    assert "may this user connect" in (caught.value.hint or "")


def test_a_pooler_is_not_believed_that_a_database_is_missing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may know it by another name."""
    monkeypatch.setattr(refusals, "_sqlstate_in", lambda _: None)
    with pgbouncer(server, "session") as port:
        url = through(server.url("no_such"), port)
        with pytest.raises(DatabaseUnreachable, match="takes no connection"):
            PostgresDatabase(parse_database_url(url)).connect()


def test_a_server_that_takes_the_connection_and_then_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "_sqlstate_in", lambda _: None)
    monkeypatch.setattr(refusals, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse_one_and_fall_silent() -> None:
            for _ in range(3):
                line, _ = listening.accept()
                with line:
                    if b"no_such\0" in line.recv(1024):
                        line.sendall(b"E\0\0\0\x1dSFATAL\0C3D000\0Mnicht da\0\0")
                        continue
                    line.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
                    while line.recv(1024):
                        pass

        thread = threading.Thread(target=refuse_one_and_fall_silent, daemon=True)
        thread.start()
        way = f"127.0.0.1:{listening.getsockname()[1]}/no_such?sslmode=disable&gssencmode=disable"
        with pytest.raises(DatabaseUnreachable, match="nicht da"):
            PostgresDatabase(parse_database_url(Secret(f"postgresql://u@{way}"))).connect()
        thread.join(60)
        assert not thread.is_alive()


FAILED = 'connection to server at "database" (10.0.0.1), port 5432 failed: FATAL:  '


@pytest.mark.parametrize(
    ("said", "expected", "hint"),
    [
        ('role "bob" does not exist', AuthenticationFailed, "Check the user"),
        ('database "shop" does not exist', DatabaseMissing, "correct the name"),
        ('no pg_hba.conf entry for host "x", user "u", database "d", no encryption', AuthenticationFailed, "sslmode="),
        (
            'no pg_hba.conf entry for host "x", user "u", database "d", SSL encryption',
            AuthenticationFailed,
            "Let pg_hba",
        ),
    ],
)
def test_what_a_server_says_is_told_from_its_name(said: str, expected: type[LocktenderError], hint: str) -> None:
    error = refusals.connect_error(psycopg.OperationalError(FAILED + said), "database", {"user": "u", "dbname": "shop"})
    assert type(error) is expected
    assert hint in (error.hint or "")


def test_a_database_that_takes_no_connections_is_not_said_to_be_away(server: Server) -> None:
    name = server.create()
    with server.superuser().session() as session:
        session.execute(f"ALTER DATABASE {identifier(name)} ALLOW_CONNECTIONS false")
    with pytest.raises(DatabaseUnreachable, match=r"takes no connection: .*not currently accepting connections"):
        PostgresDatabase(parse_database_url(server.url(name))).connect()


def test_transaction_rolls_back_on_any_exception(database: PostgresDatabase) -> None:
    with database.session() as session:
        session.execute("CREATE TABLE t (a int)")
        with pytest.raises(KeyError), session.transaction():
            session.execute("INSERT INTO t VALUES (1)")
            raise KeyError
        with session.transaction():
            session.execute("INSERT INTO t VALUES (2)")
        assert session.rows("SELECT a FROM t") == [(2,)]


def test_a_killed_session_is_a_lost_connection(database: PostgresDatabase) -> None:
    with database.session() as victim, database.session() as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (victim.pid,))
        with pytest.raises(ConnectionLost):
            victim.rows("SELECT 1")


def test_schema_of_the_url_is_the_whole_search_path_and_survives_a_reset(server: Server) -> None:
    url = Secret(server.url(server.create()).reveal() + "?schema=App%20%221&connection_limit=3&pgbouncer=true")
    with PostgresDatabase(parse_database_url(url)).session() as session:
        session.script("SET search_path = public; SET lock_timeout = '3s'")
        session.reset()
        assert session.rows("SHOW search_path") == [('"App ""1"',)]
        assert session.rows("SHOW lock_timeout") == [("0",)]


def test_an_address_that_was_told_is_asked_for_again_when_the_database_is_not_there_any_more(
    server15: Server, server18: Server
) -> None:
    """As of a container that was created anew, while another one got its address."""
    name = server18.create()
    asked: list[int] = []
    ports = [server18.process.port]

    def address() -> tuple[str, int]:
        asked.append(ports[0])
        return "127.0.0.1", ports[0]

    url = server18.url(name).reveal().replace("127.0.0.1", "db.invalid")
    database = PostgresDatabase(parse_database_url(Secret(url)), address)
    for _ in range(3):
        with database.session() as session:
            assert session.server_version // 10000 == 18
    assert asked == ports
    with server18.superuser().session() as session:
        session.execute(f"DROP DATABASE {name}")
    with pytest.raises(DatabaseMissing):
        database.connect()
    server15.create(name)
    ports[0] = server15.process.port
    with database.session() as session:
        assert session.server_version // 10000 == 15
    assert database.target.host == "db.invalid"
    assert len(asked) <= 4
