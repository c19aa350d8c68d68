-- === bad: never committed
BEGIN;
CREATE TABLE new (id int);
-- === good: committed
BEGIN;
CREATE TABLE new (id int);
COMMIT;
