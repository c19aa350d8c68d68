"""The database of the campaign: a small shop with data, and sets of migrations that come next."""

from __future__ import annotations

from pathlib import Path

BASE = {
    "20240101000000_init": """
        CREATE TABLE "Customer" (id SERIAL PRIMARY KEY, email TEXT NOT NULL UNIQUE, note TEXT);
        CREATE TABLE "Order" (id SERIAL PRIMARY KEY, customer INTEGER NOT NULL REFERENCES "Customer" (id),
                              cents INTEGER NOT NULL CHECK (cents >= 0), state TEXT NOT NULL DEFAULT 'new');
        CREATE INDEX "Order_customer_idx" ON "Order" (customer);
    """,
    "20240102000000_seed": """
        INSERT INTO "Customer" (email, note)
            SELECT 'c' || n || '@example.org', repeat(md5(n::text), 3) FROM generate_series(1, 2000) n;
        INSERT INTO "Order" (customer, cents) SELECT 1 + n % 2000, n % 977 FROM generate_series(1, 10000) n;
    """,
}
ATOMIC = {
    "20240201000000_money": """
        ALTER TABLE "Order" ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR';
        CREATE TYPE "State" AS ENUM ('new', 'paid');
    """,
    "20240202000000_states": """
        UPDATE "Order" SET state = 'paid' WHERE cents > 500;
        ALTER TABLE "Order" ALTER COLUMN state DROP DEFAULT;
        ALTER TABLE "Order" ALTER COLUMN state TYPE "State" USING state::"State";
    """,
    "20240203000000_items": """
        CREATE TABLE "Item" (id SERIAL PRIMARY KEY, "order" INTEGER NOT NULL REFERENCES "Order" (id), name TEXT);
        -- In an order of its own: that of the rows on disk depends on what was tried, rolled back and vacuumed before.
        INSERT INTO "Item" ("order", name) SELECT id, 'item ' || id FROM "Order" WHERE id % 3 = 0 ORDER BY id;
    """,
    "20240204000000_own_transaction": """
        BEGIN;
        ALTER TABLE "Customer" ADD COLUMN orders INTEGER;
        UPDATE "Customer" SET orders = (SELECT count(*) FROM "Order" WHERE customer = "Customer".id);
        COMMIT;
    """,
    "20240205000000_less": 'ALTER TABLE "Customer" DROP COLUMN note;',
}
CONCURRENT = {
    "20240201000000_money": ATOMIC["20240201000000_money"],
    "20240202000000_index": """
        ALTER TABLE "Order" ADD COLUMN note TEXT;
        CREATE INDEX CONCURRENTLY "Order_cents_idx" ON "Order" (cents);
        UPDATE "Order" SET note = 'dear' WHERE cents > 900;
    """,
    "20240203000000_only_index": 'CREATE INDEX CONCURRENTLY "Customer_note_idx" ON "Customer" (note);',
    "20240204000000_less": 'ALTER TABLE "Customer" DROP COLUMN note CASCADE;',
    "20240205000000_more": 'CREATE TABLE "Tag" (id SERIAL PRIMARY KEY); INSERT INTO "Tag" DEFAULT VALUES;',
}
ADDITIVE = {
    "20240201000000_column": 'ALTER TABLE "Order" ADD COLUMN note TEXT;',
    "20240202000000_index": 'CREATE INDEX CONCURRENTLY "Order_cents_idx" ON "Order" (cents);',
    "20240203000000_table": 'CREATE TABLE "Tag" (id SERIAL PRIMARY KEY);',
}
FAILING = {**CONCURRENT, "20240206000000_broken": 'CREATE TABLE "Half" (); SELECT 1/0;'}


def write(folder: Path, *sets: dict[str, str]) -> Path:
    """A migrations folder with all of the given sets."""
    for scripts in sets:
        for name, script in scripts.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / "migration.sql").write_text(script)
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n')
    return folder
