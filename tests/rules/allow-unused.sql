-- === bad: nothing is found there
-- locktender: allow ban-drop-column because nobody uses it
DROP TABLE attic."Box";
-- === bad: it is about the next statement, not about all
-- locktender: allow ban-drop-table because nobody uses it
SELECT 1;
DROP TABLE attic."Box";
-- === bad: there is no next statement
DROP TABLE attic."Box";

-- locktender: allow ban-drop-table because nobody uses it
-- === good: before it, on its line, within it, and two at once
-- DropTable
-- locktender: allow ban-drop-table because nobody uses it
-- (the shop was closed)
DROP TABLE attic."Box";
ALTER TABLE "User" DROP COLUMN label; -- locktender: allow ban-drop-column because it was never shown
ALTER TABLE "User" /* locktender: allow ban-drop-column because it was never shown */ DROP COLUMN nick;
-- locktender: allow ban-drop-cascade, ban-drop-column because only views depend on it
ALTER TABLE "Post" DROP COLUMN body CASCADE;
