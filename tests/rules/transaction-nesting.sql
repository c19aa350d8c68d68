-- === bad: half of it is final
BEGIN;
ALTER TABLE "User" ADD COLUMN a int;
COMMIT;
ALTER TABLE "User" ADD COLUMN b int;
-- === bad: given up in the middle
BEGIN;
ALTER TABLE "User" ADD COLUMN a int;
ROLLBACK;
-- === good: around all of it
BEGIN;
ALTER TABLE "User" ADD COLUMN a int;
COMMIT;
