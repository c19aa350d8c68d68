-- === bad: a table, and everything
REINDEX TABLE "User";
REINDEX SCHEMA public;
-- === good: concurrently, or nothing
REINDEX TABLE CONCURRENTLY "User";
REINDEX TABLE "Empty";
