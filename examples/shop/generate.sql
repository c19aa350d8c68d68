-- Fills the shop with the same customers, products, orders and reviews each time: about 120 000 rows in a few seconds.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f generate.sql
--
-- Another seed, or another number of orders (all else follows from it):
--
--   PGOPTIONS="-c shop.seed=7 -c shop.orders=400000" psql …

CREATE FUNCTION pg_temp.shop_orders() RETURNS integer STABLE LANGUAGE sql AS
$$ SELECT COALESCE(NULLIF(current_setting('shop.orders', true), ''), '30000')::integer $$;

-- A number from 0 to n - 1 that depends on the seed, on what it is for, and on i alone. md5 is the same everywhere;
-- random() after setseed() is not.
CREATE FUNCTION pg_temp.pick(what text, i bigint, n integer) RETURNS integer STABLE LANGUAGE sql AS
$$ SELECT ((('x' || left(md5(COALESCE(NULLIF(current_setting('shop.seed', true), ''), '42') || what || i), 8))::bit(32)::bigint) % n)::integer $$;

CREATE FUNCTION pg_temp.one_of(words text[], what text, i bigint) RETURNS text STABLE LANGUAGE sql AS
$$ SELECT words[1 + pg_temp.pick(what, i, cardinality(words))] $$;

INSERT INTO "Category" ("name")
SELECT unnest(ARRAY['Furniture', 'Lighting', 'Kitchen', 'Garden', 'Bedroom', 'Bathroom', 'Office', 'Toys']);

INSERT INTO "Product" ("sku", "name", "priceCents", "stock", "createdAt", "categoryId", "slug")
SELECT sku, name, cents, stock, created, category,
       trim(BOTH '-' FROM lower(regexp_replace(name, '[^A-Za-z0-9]+', '-', 'g'))) || '-' || sku
FROM (
    SELECT upper(left(c."name", 3)) || '-' || lpad(i::text, 5, '0') AS sku,
           pg_temp.one_of(ARRAY['Oak', 'Walnut', 'Steel', 'Linen', 'Bamboo', 'Glass', 'Cotton', 'Marble', 'Wool'], 'material', i)
           || ' '
           || pg_temp.one_of(ARRAY['Table', 'Chair', 'Lamp', 'Shelf', 'Bowl', 'Blanket', 'Mirror', 'Vase', 'Desk', 'Basket'], 'thing', i)
           || ', ' || (40 + 10 * pg_temp.pick('width', i, 17)) || ' cm' AS name,
           -- Most things are cheap, some are dear, and prices end in 99, 95 or 50.
           100 * (4 + pg_temp.pick('price', i, 60) * (1 + pg_temp.pick('class', i, 10) / 3))
           + (ARRAY[99, 95, 50])[1 + pg_temp.pick('cents', i, 3)] AS cents,
           pg_temp.pick('stock', i, 400) AS stock,
           timestamp '2023-06-01' + make_interval(hours => pg_temp.pick('made', i, 5000)) AS created,
           c."id" AS category
    FROM generate_series(1, greatest(20, pg_temp.shop_orders() / 20)) i
    JOIN "Category" c ON c."id" = (SELECT min("id") FROM "Category") + pg_temp.pick('category', i, 8)
    ORDER BY i
) p;

INSERT INTO "Customer" ("email", "name", "city", "createdAt", "newsletter", "phone")
SELECT translate(lower(first || '.' || last), 'íéá''', 'iea') || i || '@example.com', first || ' ' || last,
       pg_temp.one_of(ARRAY['Berlin', 'Lyon', 'Porto', 'Kraków', 'Gent', 'Bergen', 'Graz', 'Turku', 'Cork', 'Bari'], 'city', i),
       timestamp '2023-07-01' + make_interval(mins => pg_temp.pick('joined', i, 450000)),
       pg_temp.pick('newsletter', i, 3) = 0,
       -- A household shares a number.
       CASE WHEN pg_temp.pick('has phone', i, 4) > 0
            THEN '+49 30 ' || lpad(pg_temp.pick('phone', i / 2, 10000000)::text, 7, '0') END
FROM (
    SELECT i,
           pg_temp.one_of(ARRAY['Ada', 'Jonas', 'Lucía', 'Émile', 'Zofia', 'Noah', 'Ines', 'Olu', 'Mira', 'Tariq', 'Freya', 'Hugo'], 'first', i) AS first,
           pg_temp.one_of(ARRAY['Nowak', 'Silva', 'Dubois', 'Weber', 'O''Brien', 'Larsen', 'Rossi', 'Novák', 'Haddad', 'Virtanen'], 'last', i) AS last
    FROM generate_series(1, greatest(10, pg_temp.shop_orders() / 4)) i
) c
ORDER BY i;

INSERT INTO "Order" ("customerId", "createdAt", "status")
SELECT (SELECT min("id") FROM "Customer") + pg_temp.pick('buyer', i, greatest(10, pg_temp.shop_orders() / 4)),
       timestamp '2024-01-01' + make_interval(secs => i * (15552000.0 / pg_temp.shop_orders())),
       (CASE WHEN pg_temp.pick('status', i, 50) = 0 THEN 'CANCELLED'
             WHEN pg_temp.pick('status', i, 50) = 1 THEN 'REFUNDED'
             WHEN i > 0.99 * pg_temp.shop_orders() THEN 'PENDING'
             WHEN i > 0.98 * pg_temp.shop_orders() THEN 'PAID'
             WHEN i > 0.95 * pg_temp.shop_orders() THEN 'SHIPPED'
             ELSE 'DELIVERED' END)::"OrderStatus"
FROM generate_series(1, pg_temp.shop_orders()) i
ORDER BY i;

-- One to four things an order; what was paid is what the product cost.
INSERT INTO "OrderItem" ("orderId", "productId", "quantity", "unitPriceCents")
SELECT o."id", p."id", 1 + pg_temp.pick('quantity', o."id" * 4 + n, 3), p."priceCents"
FROM "Order" o
CROSS JOIN generate_series(0, 3) n
JOIN "Product" p ON p."id" = (SELECT min("id") FROM "Product")
    + (pg_temp.pick('product', o."id", greatest(20, pg_temp.shop_orders() / 20)) + 5 * n) % greatest(20, pg_temp.shop_orders() / 20)
WHERE n <= pg_temp.pick('items', o."id", 4)
ORDER BY o."id", n;

UPDATE "Order" o
SET "totalCents" = i.total
FROM (SELECT "orderId", sum("quantity" * "unitPriceCents") AS total FROM "OrderItem" GROUP BY 1) i
WHERE i."orderId" = o."id";

INSERT INTO "Review" ("productId", "customerId", "stars", "text", "createdAt")
SELECT i."productId", o."customerId", (ARRAY[5, 5, 5, 5, 4, 4, 3, 2, 1])[1 + pg_temp.pick('stars', o."id", 9)],
       pg_temp.one_of(ARRAY['Just as described.', 'Arrived quickly, well packed.', 'Smaller than I thought.', 'Love it!', 'It wobbles.', ''], 'text', o."id"),
       o."createdAt" + interval '9 days'
FROM "Order" o
JOIN LATERAL (SELECT "productId" FROM "OrderItem" WHERE "orderId" = o."id" ORDER BY "productId" LIMIT 1) i ON true
WHERE o."status" = 'DELIVERED' AND pg_temp.pick('reviews', o."id", 4) = 0
ORDER BY o."id";
