-- on: it is off by default
-- === bad: a length
CREATE TABLE new (name varchar(50));
-- === good: none
CREATE TABLE new (name varchar, other text);
