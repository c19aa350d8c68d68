-- === bad: as Prisma writes it
-- RedefineTables
CREATE TABLE "new_Post" (id serial PRIMARY KEY, title text NOT NULL);
INSERT INTO "new_Post" (id, title) SELECT id, title FROM "Post";
DROP TABLE "Post";
ALTER TABLE "new_Post" RENAME TO "Post";
-- === good: nothing is replaced
CREATE TABLE a (id int);
ALTER TABLE a RENAME TO b;
