-- === bad: whatever depends on it
DROP FUNCTION f CASCADE;
-- === bad: a column, and a type
ALTER TABLE "User" DROP CONSTRAINT name_there, DROP COLUMN email CASCADE;
DROP TYPE "Role" CASCADE;
-- === good: its own
CREATE TABLE new (id int);
DROP TABLE new CASCADE;
CREATE TYPE t AS ENUM ('a');
DROP TYPE t CASCADE;
DROP VIEW v;
