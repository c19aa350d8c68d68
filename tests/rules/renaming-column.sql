-- === bad: old code says email
ALTER TABLE "User" RENAME COLUMN email TO mail;
-- === good: a new one
ALTER TABLE "User" ADD COLUMN a int;
ALTER TABLE "User" RENAME COLUMN a TO b;
ALTER INDEX "User_email_key" RENAME TO emails;
