-- === bad: a schema
DROP SCHEMA attic CASCADE;
-- === good: something else
DROP INDEX attic.i;
