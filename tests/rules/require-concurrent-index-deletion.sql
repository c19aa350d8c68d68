-- === bad: alone, so the safe form is known
DROP INDEX "User_email_key";
-- === bad: two
DROP INDEX "Post_title_idx", unheard_of;
-- === good: concurrently
DROP INDEX CONCURRENTLY "User_email_key";
-- === good: its own
CREATE TABLE new (id int);
CREATE INDEX i ON new (id);
DROP INDEX i;
