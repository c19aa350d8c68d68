"""The example project: its history applies, its data is the same everywhere, its bad migrations are bad as told."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.errors import StatementFailed
from operations.ports import Session
from operations.quoting import identifier

from .conftest import Server

SHOP = Path(__file__).parent.parent / "examples" / "shop"
TABLES = ("Category", "Customer", "Order", "OrderItem", "Product", "Review")
SEED_42_WITH_2000_ORDERS = dict(zip(TABLES, (8, 500, 2000, 5021, 100, 434), strict=True))


def fill(session: Session, *, seed: int = 42, orders: int = 2000) -> None:
    for path in sorted((SHOP / "prisma" / "migrations").glob("*/migration.sql")):
        session.script(path.read_text())
    session.script(f"SET shop.seed = {seed}; SET shop.orders = {orders}")
    session.script((SHOP / "generate.sql").read_text())


def content(session: Session) -> dict[str, tuple[int, int]]:
    session.script("SET DateStyle = 'ISO'; SET TimeZone = 'UTC'")
    return {
        table: session.rows(f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {identifier(table)} t")[0]  # type: ignore[misc]
        for table in TABLES
    }


def test_the_same_seed_gives_the_same_shop_on_every_version(server15: Server, server18: Server) -> None:
    found = []
    for server, seed in ((server15, 42), (server18, 42), (server18, 7)):
        with server.owned().session() as session:
            fill(session, seed=seed)
            found.append(content(session))
    assert found[0] == found[1] != found[2]
    assert {table: count for table, (count, _) in found[0].items()} == SEED_42_WITH_2000_ORDERS


def test_the_data_looks_like_a_shop(database: PostgresDatabase) -> None:
    with database.session() as session:
        fill(session)
        assert session.rows(
            'SELECT count(*) FROM "Order" o WHERE "totalCents" <> (SELECT sum(quantity * "unitPriceCents") '
            'FROM "OrderItem" WHERE "orderId" = o.id)'
        ) == [(0,)]
        assert session.rows('SELECT bool_and("priceCents" BETWEEN 400 AND 50000) FROM "Product"') == [(True,)]
        assert session.rows('SELECT count(DISTINCT status) FROM "Order"') == [(6,)]
        assert session.rows('SELECT count(DISTINCT name) > 100 FROM "Customer"') == [(True,)]


def test_one_bad_migration_fails_on_real_data_only_and_the_other_succeeds_with_damage(
    database: PostgresDatabase,
) -> None:
    phone, sale = (path.read_text() for path in sorted((SHOP / "demo").glob("*/migration.sql")))
    with database.session() as session:
        fill(session)
        with pytest.raises(StatementFailed, match="Customer_phone_key") as caught:
            session.script(phone)
        assert caught.value.statement == 2
        session.script(sale)
        assert session.rows('SELECT max("priceCents") FROM "Product"') == [(0,)]
    with database.session() as session:
        session.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        for path in sorted((SHOP / "prisma" / "migrations").glob("*/migration.sql")):
            session.script(path.read_text())
        session.script(phone)


def test_down_undoes_its_migration(database: PostgresDatabase) -> None:
    folder = SHOP / "prisma" / "migrations" / "20240423094500_product_slug"
    columns = (
        "SELECT attname FROM pg_attribute WHERE attrelid = '\"Product\"'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    with database.session() as session:
        for path in sorted((SHOP / "prisma" / "migrations").glob("*/migration.sql")):
            if path.parent == folder:
                before = session.rows(columns)
                session.script(path.read_text())
                session.script((folder / "down.sql").read_text())
                assert session.rows(columns) == before
                return
            session.script(path.read_text())
        pytest.fail("the migration is not there any more")
