-- === bad: old code says User
ALTER TABLE "User" RENAME TO "Person";
ALTER TABLE attic."Box" SET SCHEMA public;
-- === good: a new one, and names that code does not use
CREATE TABLE new (id int);
ALTER TABLE new RENAME TO newer;
ALTER TABLE "Post" RENAME CONSTRAINT "Post_pkey" TO posts;
