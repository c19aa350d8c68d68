-- on: it is off by default
-- === bad: an old column
ALTER TABLE "User" ALTER COLUMN email DROP NOT NULL;
-- === good: a new one
ALTER TABLE "User" ADD COLUMN a int NOT NULL DEFAULT 1;
ALTER TABLE "User" ALTER COLUMN a DROP NOT NULL;
