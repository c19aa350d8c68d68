-- === bad: every row is written anew
ALTER TABLE "User" ALTER COLUMN id TYPE bigint;
-- === bad: shorter, another scale, less precise
ALTER TABLE "User" ALTER COLUMN name TYPE varchar(40), ALTER COLUMN balance TYPE numeric(12, 3), ALTER seen TYPE timestamp(0);
-- === bad: computed
ALTER TABLE "User" ALTER COLUMN name TYPE text USING lower(name);
-- === bad: with a time zone that nobody knows
ALTER TABLE "User" ALTER COLUMN seen TYPE timestamptz;
-- === bad: to a domain that checks, to an array, to a length
ALTER TABLE "User" ALTER COLUMN name TYPE "Email", ALTER COLUMN email TYPE varchar(100);
ALTER TABLE "User" ALTER COLUMN tags TYPE varchar(10)[];
-- === good: longer, wider, finer
ALTER TABLE "User" ALTER COLUMN name TYPE varchar(60), ALTER COLUMN nick TYPE text, ALTER COLUMN balance TYPE numeric(14, 2);
ALTER TABLE "User" ALTER COLUMN seen TYPE timestamp(6), ALTER COLUMN label TYPE text, ALTER COLUMN email TYPE "Label";
ALTER TABLE "User" ALTER COLUMN email SET DATA TYPE text USING email::text;
-- === good: in UTC
SET LOCAL timezone = 'UTC';
ALTER TABLE "User" ALTER COLUMN seen TYPE timestamptz;
-- === good: nothing to write
ALTER TABLE "Empty" ALTER COLUMN id TYPE bigint;
CREATE TABLE new (id int);
ALTER TABLE new ALTER COLUMN id TYPE bigint;
