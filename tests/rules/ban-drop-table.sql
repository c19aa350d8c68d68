-- === bad: with its rows
DROP TABLE "User", attic."Box";
-- === good: its own, and what is no table
CREATE TABLE new (id int);
DROP TABLE new;
CREATE TEMPORARY TABLE scratch (id int);
DROP TABLE scratch;
DROP VIEW v;
