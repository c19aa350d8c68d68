-- === bad: no such rule, and no rule at all
-- locktender: allow ban-drop-tables because nobody uses it
DROP TABLE attic."Box";
-- locktender: allow because I say so
SELECT 1;
-- locktender: ignore ban-drop-table
SELECT 2;
-- === good: one that there is
-- locktender: allow ban-drop-table because nobody uses it since release 12
DROP TABLE attic."Box";
-- === good: in a string it is no comment
SELECT '-- locktender: allow nonsense';
