-- === bad: nothing fills it
ALTER TABLE "User" ADD COLUMN phone text NOT NULL;
-- === bad: nobody knows whether there are rows
ALTER TABLE "Post" ADD COLUMN lead text NOT NULL, ADD COLUMN key int PRIMARY KEY;
-- === good: a default, a number, a generated value, NULL
ALTER TABLE "User" ADD COLUMN a text NOT NULL DEFAULT '', ADD COLUMN b serial NOT NULL, ADD COLUMN c text,
  ADD COLUMN d int NOT NULL GENERATED ALWAYS AS IDENTITY, ADD COLUMN e text NOT NULL GENERATED ALWAYS AS ('x') STORED;
-- === good: a table without rows
ALTER TABLE "Empty" ADD COLUMN phone text NOT NULL;
-- === good: emptied before
TRUNCATE "Post";
ALTER TABLE "Post" ADD COLUMN lead text NOT NULL;
DELETE FROM "User";
ALTER TABLE "User" ADD COLUMN lead text NOT NULL;
