-- === bad: the parser does not know it
CREATE TABLE t (id int);
CREATE TABLE t (id int) WITHOUT ROWID;
-- === bad: a command of psql
\! id
-- === good: it does
CREATE TABLE t (id int);
