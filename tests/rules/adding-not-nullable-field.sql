-- === bad: nothing has proved it
ALTER TABLE "User" ALTER COLUMN label SET NOT NULL;
-- === bad: two columns, one of them with a CHECK that nobody has validated
ALTER TABLE "User" ALTER COLUMN label SET NOT NULL, ALTER COLUMN nick SET NOT NULL;
-- === bad: the name that PostgreSQL 18 gives it
ALTER TABLE "Post" ADD CONSTRAINT t NOT NULL title;
-- === good: a valid CHECK says so, or it is so already
ALTER TABLE "User" ALTER COLUMN name SET NOT NULL;
ALTER TABLE "User" ALTER COLUMN email SET NOT NULL;
-- === good: the CHECK is validated first
ALTER TABLE "User" VALIDATE CONSTRAINT nick_there;
ALTER TABLE "User" ALTER COLUMN nick SET NOT NULL;
-- === good: nothing to read
ALTER TABLE "Empty" ALTER COLUMN note SET NOT NULL;
CREATE TABLE new (id int);
ALTER TABLE new ALTER COLUMN id SET NOT NULL;
