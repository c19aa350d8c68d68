-- === bad: all rows, beside a schema change
ALTER TABLE "User" ADD COLUMN lower_name text;
UPDATE "User" SET lower_name = lower(name);
-- === bad: with a WHERE that picks nothing out
UPDATE "Post" SET body = '' WHERE body IS NULL;
ALTER TABLE "Post" ALTER COLUMN body SET NOT NULL;
-- === bad: all rows, without a schema change
DELETE FROM "User";
-- === bad: within a WITH
WITH gone AS (DELETE FROM "User" RETURNING *) INSERT INTO "Empty" (id) SELECT id FROM gone;
-- === good: certain rows
ALTER TABLE "User" ADD COLUMN a int;
UPDATE "User" SET a = 1 WHERE role = 'ADMIN';
UPDATE "User" SET a = 1 WHERE id IN (1, 2);
UPDATE "User" SET a = 1 WHERE id = ANY (ARRAY[1, 2]);
-- === good: no schema change beside it
UPDATE "Post" SET body = '' WHERE body IS NULL;
-- === good: few rows, or its own
CREATE TABLE new (id int);
UPDATE new SET id = 1;
UPDATE "Empty" SET note = '';
