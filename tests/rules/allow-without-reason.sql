-- === bad: no reason, so it is not allowed
-- locktender: allow ban-drop-table
DROP TABLE attic."Box";
-- === bad: an empty reason
DROP TABLE attic."Box"; -- locktender: allow ban-drop-table because
-- === good: a reason
DROP TABLE attic."Box"; -- Locktender: ALLOW ban-drop-table BECAUSE nobody uses it
