-- === bad: all rows
TRUNCATE "User";
TRUNCATE TABLE "Post" CASCADE;
-- === good: no rows, or its own
TRUNCATE "Empty";
CREATE TABLE new (id int);
TRUNCATE new;
