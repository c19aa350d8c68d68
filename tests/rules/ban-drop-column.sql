-- === bad: it stood before
ALTER TABLE "User" DROP COLUMN label;
-- === bad: three, two of them old
ALTER TABLE "User" ADD COLUMN a int;
ALTER TABLE "User" ADD COLUMN b int,
  DROP COLUMN a,
  DROP COLUMN IF EXISTS nick,
  DROP COLUMN seen;
-- === good: columns and tables of its own
ALTER TABLE "User" ADD COLUMN a int;
ALTER TABLE "User" RENAME COLUMN a TO b;
ALTER TABLE "User" DROP COLUMN b;
CREATE TABLE new (id int, x int);
ALTER TABLE new DROP COLUMN x;
