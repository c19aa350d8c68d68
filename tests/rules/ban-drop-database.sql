-- === bad: a database
DROP DATABASE shop;
-- === good: a table is not one
DROP TABLE "Empty";
