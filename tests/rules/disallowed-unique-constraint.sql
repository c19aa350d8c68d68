-- === bad: an index is built under the lock
ALTER TABLE "User" ADD CONSTRAINT nicks UNIQUE (nick);
-- === bad: a new primary key, and a new column
ALTER TABLE "Post" DROP CONSTRAINT "Post_pkey", ADD PRIMARY KEY (id, title);
ALTER TABLE "User" ADD COLUMN code text UNIQUE;
-- === good: from an index that is there
ALTER TABLE "User" ADD CONSTRAINT emails UNIQUE USING INDEX "User_email_key";
-- === good: nothing to read
ALTER TABLE "Empty" ADD UNIQUE (note);
CREATE TABLE new (id int);
ALTER TABLE new ADD PRIMARY KEY (id);
