-- === bad: alone, so the safe form is known
CREATE UNIQUE INDEX "User_nick_key" ON "User" (nick);
-- === bad: a partitioned table, for which there is no such form
CREATE INDEX log_day ON "Log" (day);
-- === bad: with others
CREATE INDEX a ON "Post" (body);
CREATE INDEX b ON attic."Box" (id);
-- === good: concurrently
CREATE INDEX CONCURRENTLY a ON "User" (nick);
-- === good: nothing to read
CREATE INDEX a ON "Empty" (note);
CREATE TABLE new (id int);
CREATE INDEX b ON new (id);
CREATE TABLE copied AS SELECT 1 AS id;
CREATE INDEX c ON copied (id);
