-- on: it is off by default
-- === bad: it may have to run twice
ALTER TABLE "User" ADD COLUMN a int;
CREATE INDEX CONCURRENTLY i ON "User" (nick);
-- === good: it is one transaction, or alone, or can run twice
CREATE TABLE new (id int);
ALTER TABLE new ADD COLUMN a int;
-- === good: IF NOT EXISTS
ALTER TABLE "User" ADD COLUMN IF NOT EXISTS a int;
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON "User" (nick);
-- === good: alone
CREATE INDEX CONCURRENTLY i ON "User" (nick);
