-- === bad: the lock is still held
ALTER TABLE "User" ADD CONSTRAINT rich CHECK (balance > 0) NOT VALID;
ALTER TABLE "User" VALIDATE CONSTRAINT rich;
-- === bad: in one statement
ALTER TABLE "User" ADD CONSTRAINT rich CHECK (balance > 0) NOT VALID, VALIDATE CONSTRAINT rich;
-- === good: from an earlier one
ALTER TABLE "User" VALIDATE CONSTRAINT nick_there;
-- === good: committed in between
BEGIN;
ALTER TABLE "User" ADD CONSTRAINT rich CHECK (balance > 0) NOT VALID;
COMMIT;
ALTER TABLE "User" VALIDATE CONSTRAINT rich;
