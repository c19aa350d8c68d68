-- === bad: it is checked at once
ALTER TABLE "User" ADD CONSTRAINT "User_boss_fkey" FOREIGN KEY (id) REFERENCES "Post" (id) ON DELETE SET NULL;
-- === bad: on a new column, in a statement of its own
ALTER TABLE "Post" ADD COLUMN "ownerId" int;
ALTER TABLE "Post" ADD CONSTRAINT owner FOREIGN KEY ("ownerId") REFERENCES "User" (id);
-- === bad: with a default that is checked
ALTER TABLE "Post" ADD COLUMN "ownerId" int DEFAULT 1 REFERENCES "User" (id);
-- === good: not yet validated
ALTER TABLE "Post" ADD CONSTRAINT author FOREIGN KEY ("authorId") REFERENCES "User" (id) NOT VALID;
-- === good: from a table of its own, an empty one, and a column that is NULL everywhere
CREATE TABLE new (id int, "userId" int);
ALTER TABLE new ADD CONSTRAINT u FOREIGN KEY ("userId") REFERENCES "User" (id);
ALTER TABLE "Empty" ADD CONSTRAINT u FOREIGN KEY (id) REFERENCES "User" (id);
ALTER TABLE "Post" ADD COLUMN "ownerId" int REFERENCES "User" (id);
