-- === bad: without a change
VACUUM FULL "User";
CLUSTER "User" USING "User_pkey";
ALTER TABLE "User" SET UNLOGGED;
-- === good: only read, or nothing
VACUUM ANALYZE "User";
ALTER TABLE "Empty" SET UNLOGGED;
