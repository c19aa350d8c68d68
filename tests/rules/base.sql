-- What stands before the new migrations of every snapshot. "User" is said to hold 120 000 rows, "Empty" none.
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN', 'GHOST');
CREATE DOMAIN "Email" AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN "Label" AS text;
CREATE TABLE "User" (
  id serial PRIMARY KEY,
  email text NOT NULL,
  name varchar(50),
  nick varchar(20),
  role "Role" NOT NULL DEFAULT 'USER',
  balance numeric(10, 2),
  seen timestamp(3),
  label "Label",
  tags text[],
  CONSTRAINT name_there CHECK (name IS NOT NULL),
  CONSTRAINT nick_there CHECK (nick IS NOT NULL) NOT VALID
);
CREATE UNIQUE INDEX "User_email_key" ON "User" (email);
CREATE TABLE "Post" (id serial PRIMARY KEY, "authorId" int, "editorId" int, title text, body text);
CREATE INDEX "Post_title_idx" ON "Post" (title);
CREATE INDEX "Post_editorId_idx" ON "Post" ("editorId", title);
CREATE TABLE "Empty" (id int PRIMARY KEY, note text);
CREATE TABLE "Log" (day date NOT NULL, line text) PARTITION BY RANGE (day);
CREATE TABLE "Log_2025" PARTITION OF "Log" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE SCHEMA attic;
CREATE TABLE attic."Box" (id int PRIMARY KEY);
