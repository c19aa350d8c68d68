-- === bad: in a transaction it fails
BEGIN;
CREATE INDEX CONCURRENTLY i ON "User" (nick);
COMMIT;
-- === bad: the rest of the file loses its transaction
ALTER TABLE "User" ADD COLUMN a int;
CREATE INDEX CONCURRENTLY i ON "User" (nick);
DROP INDEX CONCURRENTLY "User_email_key";
-- === good: alone
CREATE INDEX CONCURRENTLY i ON "User" (nick);
