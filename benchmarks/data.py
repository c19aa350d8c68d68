"""A shop's database of a given size, made by the server from a fixed seed: the same rows in every run."""

from __future__ import annotations

from dataclasses import dataclass

from operations.adapters.postgres import PostgresDatabase

from .prose import sentences

SEED = 4242
SCHEMA = """
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL,
  address jsonb NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE products (
  id int PRIMARY KEY, title text NOT NULL, description text NOT NULL, price numeric(10,2) NOT NULL);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL, state text NOT NULL,
  total numeric(10,2) NOT NULL, note text, created_at timestamptz NOT NULL);
CREATE TABLE order_items (
  order_id bigint NOT NULL, position int NOT NULL, product_id int NOT NULL, quantity int NOT NULL,
  price numeric(10,2) NOT NULL, PRIMARY KEY (order_id, position));
CREATE TABLE messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL, author text NOT NULL,
  body text NOT NULL, sent_at timestamptz NOT NULL);
CREATE TABLE events (id uuid PRIMARY KEY, order_id bigint NOT NULL, kind text NOT NULL, payload jsonb NOT NULL,
  at timestamptz NOT NULL);
"""
KEYS = """
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id);
ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
ALTER TABLE order_items ADD FOREIGN KEY (product_id) REFERENCES products (id);
ALTER TABLE messages ADD FOREIGN KEY (order_id) REFERENCES orders (id);
ALTER TABLE events ADD FOREIGN KEY (order_id) REFERENCES orders (id);
CREATE INDEX orders_by_customer ON orders (customer_id, created_at);
CREATE INDEX orders_open ON orders (created_at) WHERE state = 'open';
CREATE INDEX items_by_product ON order_items (product_id);
CREATE INDEX messages_by_order ON messages (order_id, sent_at);
CREATE INDEX events_by_order ON events (order_id, at);
"""


@dataclass(frozen=True)
class Shape:
    """What belongs to an order. ``bytes`` is measured: what all of it takes in the database, with its indexes."""

    events: int
    messages: int
    bytes: int

    def orders(self, megabytes: int) -> int:
        return max(100, megabytes * 1_000_000 // self.bytes)

    def random_bytes(self, megabytes: int) -> int:
        """What no program can compress: the id and the trace of each event, 16 bytes of chance each."""
        return self.events * 32 * self.orders(megabytes)


SPREAD = Shape(events=2, messages=1, bytes=2_200)
"""Two large tables, of text and of documents."""
ONE_TABLE = Shape(events=4, messages=0, bytes=2_000)
"""One table has three quarters of the database."""
_SENTENCES = 100_000


def _texts(number: int, sentences: int) -> str:
    """A query for texts of some sentences each, ``(n, text)``."""
    return f"""
        WITH drawn AS MATERIALIZED (
          SELECT n, 1 + floor(random() * {_SENTENCES})::int AS id
          FROM generate_series(1, {number}) n, generate_series(1, {sentences}))
        SELECT n, string_agg(sentence, ' ') AS text FROM drawn JOIN sentences USING (id) GROUP BY n"""


def fill(database: PostgresDatabase, megabytes: int, shape: Shape = SPREAD) -> int:
    """Create the tables and fill them to about ``megabytes``; returns the size that the server tells, in bytes."""
    orders = shape.orders(megabytes)
    customers, products = max(20, orders // 5), max(20, orders // 100)
    with database.session() as session:
        session.script(SCHEMA)
        session.script(f"SELECT setseed({SEED} / 10000.0)")
        session.script("CREATE TEMP TABLE sentences (sentence text, id int PRIMARY KEY)")
        session.execute(
            "INSERT INTO sentences SELECT * FROM unnest(%s::text[]) WITH ORDINALITY", (sentences(_SENTENCES, SEED),)
        )
        session.script(f"""
            INSERT INTO customers (email, name, address, created_at)
            SELECT 'customer' || n || '@example.' || (ARRAY['org','com','net'])[1 + n % 3],
                   initcap(substr(md5(n::text), 1, 8)) || ' ' || initcap(substr(md5((-n)::text), 1, 10)),
                   jsonb_build_object('street', substr(md5((n * 7)::text), 1, 12) || ' ' || n % 200,
                                      'zip', lpad((n % 99999)::text, 5, '0'),
                                      'city', (ARRAY['Berlin','Lisbon','Kraków','Oslo'])[1 + n % 4]),
                   timestamptz '2020-01-01' + n * interval '97 seconds'
            FROM generate_series(1, {customers}) n;
            INSERT INTO products SELECT n, left(text, 24), text, 1 + n % 30000 / 100.0 FROM ({_texts(products, 4)}) t;
            INSERT INTO orders (customer_id, state, total, note, created_at)
            SELECT 1 + (random() * ({customers} - 1))::int, (ARRAY['open','paid','sent','done'])[1 + n % 4],
                   (random() * 500)::numeric(10,2), CASE WHEN n % 5 = 0 THEN text END,
                   timestamptz '2021-01-01' + n * interval '61 seconds'
            FROM ({_texts(orders, 1)}) t ORDER BY n;
            INSERT INTO order_items
            SELECT n, p, 1 + (random() * ({products} - 1))::int, 1 + (random() * 3)::int,
                   (random() * 300)::numeric(10,2)
            FROM generate_series(1, {orders}) n, generate_series(1, 3) p;
            INSERT INTO messages (order_id, author, body, sent_at)
            SELECT 1 + n % {orders}, 'customer' || n % {customers} || '@example.org', text,
                   timestamptz '2021-01-01' + n * interval '61 seconds'
            FROM ({_texts(orders * shape.messages, 8)}) t ORDER BY n;
            INSERT INTO events
            SELECT md5(n || '/' || e)::uuid, n, (ARRAY['created','paid','packed','sent'])[e],
                   jsonb_build_object('by', 'worker-' || n % 40, 'trace', md5((n * e)::text),
                                      'ms', (random() * 900)::int,
                                      'agent', 'Mozilla/5.0 (X11; Linux x86_64) shop/' || n % 17,
                                      'ip', n % 223 || '.' || n % 199 || '.' || n % 251 || '.' || e),
                   timestamptz '2021-01-01' + n * interval '61 seconds' + e * interval '1 hour'
            FROM generate_series(1, {orders}) n, generate_series(1, {shape.events}) e;
        """)
        session.script(KEYS)
        session.script("VACUUM ANALYZE")
        return int(session.rows("SELECT pg_database_size(current_database())")[0][0])
