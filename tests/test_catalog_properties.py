"""What a dump leaves out of a database, read and put back on real servers."""

from __future__ import annotations

import uuid

import pytest
from msgspec.structs import replace

from operations.adapters.postgres import PostgresDatabase
from operations.catalog.properties import (
    DatabaseProperties,
    Setting,
    create_statement,
    obstacles,
    read_properties,
    restore_statements,
)
from operations.errors import NotFound
from operations.quoting import identifier

from .conftest import Server
from .regression import ensure_reader

pytestmark = pytest.mark.each_version

ODD = 'a "b", c\'d\\'


def _round_trip(database: PostgresDatabase, name: str) -> tuple[DatabaseProperties, DatabaseProperties]:
    """The properties of ``name``, and those of a database made anew from them."""
    copy = f"copy of {name}"[:63]
    with database.session("postgres") as session:
        before = read_properties(session, name)
        session.execute(create_statement(copy, before))
        for statement in restore_statements(copy, before):
            session.execute(statement)
        return before, read_properties(session, copy)


def _odd_role(server: Server) -> str:
    with server.superuser().session() as session:
        if not session.rows("SELECT FROM pg_roles WHERE rolname = %s", (ODD,)):
            session.execute(f"CREATE ROLE {identifier(ODD)}")
    ensure_reader(server)
    return ODD


def test_everything_comes_back(server: Server) -> None:
    role = _odd_role(server)
    name = f"{uuid.uuid4().hex[:6]} \"odd' \\name"
    quoted, reader = identifier(name), identifier(role)
    with server.superuser().session() as session:
        session.execute(
            f"CREATE DATABASE {quoted} OWNER {reader} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
            " CONNECTION LIMIT 7"
        )
        for statement in (
            f"COMMENT ON DATABASE {quoted} IS E'it''s\\n\\\\'",
            f"REVOKE CONNECT ON DATABASE {quoted} FROM PUBLIC",
            f"GRANT CREATE, CONNECT ON DATABASE {quoted} TO app_reader WITH GRANT OPTION",
            f"GRANT TEMPORARY ON DATABASE {quoted} TO app_owner",
            f'ALTER DATABASE {quoted} SET search_path TO "$user", \'App, "1"\', public',
            f"ALTER DATABASE {quoted} SET work_mem TO '7MB'",
            f"ALTER DATABASE {quoted} SET \"my.own_setting\" TO 'a=b, \"c\" ''d'''",
            f"ALTER ROLE {reader} IN DATABASE {quoted} SET search_path TO ''",
            f"ALTER ROLE app_owner IN DATABASE {quoted} SET datestyle TO 'German, DMY'",
            f"ALTER DATABASE {quoted} IS_TEMPLATE true",
        ):
            session.execute(statement)
    before, after = _round_trip(server.superuser(), name)
    assert after == before
    assert (before.owner, before.encoding, before.connection_limit, before.template) == (role, "LATIN1", 7, True)
    assert before.comment == "it's\n\\"
    assert len(before.grants or ()) > 5
    assert Setting(None, "search_path", '"$user", "App, ""1""", public') in before.settings
    assert Setting(role, "search_path", '""') in before.settings
    assert before.roles == tuple(sorted(("app_owner", "app_reader", role)))
    with server.superuser().session() as session:
        for database in (name, f"copy of {name}"[:63]):
            session.execute(f"ALTER DATABASE {identifier(database)} IS_TEMPLATE false")
            session.execute(f"DROP DATABASE {identifier(database)}")


def test_defaults_stay_defaults_also_for_a_plain_owner(database: PostgresDatabase) -> None:
    before, after = _round_trip(database, database.target.database)
    assert after == before
    assert (before.owner, before.grants, before.settings) == ("app_owner", None, ())
    assert restore_statements("x", before) == ()


def test_a_plain_owner_puts_back_what_is_its_own(server: Server) -> None:
    ensure_reader(server)
    database = server.owned()
    name = database.target.database
    with database.session() as session:
        session.script(
            f"ALTER DATABASE {name} SET statement_timeout = '9s'; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC;"
            f"GRANT CREATE ON DATABASE {name} TO app_reader; ALTER DATABASE {name} CONNECTION LIMIT 50;"
            f"ALTER ROLE app_owner IN DATABASE {name} SET work_mem = '5MB'"
        )
    before, after = _round_trip(database, name)
    assert after == before
    assert len(before.settings) == 2
    with database.session("postgres") as session:
        assert obstacles(session, name, before) == ()


def test_what_a_plain_owner_cannot_put_back_is_found_without_changing_anything(server: Server) -> None:
    ensure_reader(server)
    database = server.owned()
    name = database.target.database
    with server.superuser().session() as session:
        session.execute(f"ALTER ROLE app_reader IN DATABASE {name} SET work_mem = '5MB'")
        session.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        session.execute(f"ALTER DATABASE {name} SET work_mem = '6MB'")
    with database.session("postgres") as session:
        before = read_properties(session, name)
        found = obstacles(session, name, before)
        assert len(found) == 2
        assert "log_statement" in found[0]
        assert "ALTER ROLE" in found[1]
        assert read_properties(session, name) == before
    with server.superuser().session() as session:
        assert obstacles(session, name, before) == ()
        assert "does not exist" in obstacles(session, name, replace(before, owner="nobody", grants=()))[0]


def test_icu_locale_comes_back(server15: Server) -> None:
    name = f"icu_{uuid.uuid4().hex[:8]}"
    with server15.superuser().session() as session:
        session.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LOCALE 'C.UTF-8'"
        )
    before, after = _round_trip(server15.superuser(), name)
    assert after == before
    assert (before.provider, before.locale, before.collate) == ("icu", "de-AT", "C.UTF-8")


def test_builtin_locale_comes_back(server18: Server) -> None:
    name = f"builtin_{uuid.uuid4().hex[:8]}"
    with server18.superuser().session() as session:
        session.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
        )
    before, after = _round_trip(server18.superuser(), name)
    assert after == before
    assert (before.provider, before.locale) == ("builtin", "C.UTF-8")


def test_statements_for_an_old_server_name_no_provider() -> None:
    old = DatabaseProperties(owner="o", encoding="UTF8", provider=None, collate="C", ctype="C")
    assert create_statement("n", old) == (
        "CREATE DATABASE \"n\" TEMPLATE template0 OWNER \"o\" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    )


def test_a_database_that_is_not_there(database: PostgresDatabase) -> None:
    with database.session() as session, pytest.raises(NotFound, match="no_such"):
        read_properties(session, "no_such")
