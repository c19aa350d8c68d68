-- === bad: in an old table and in a new one
ALTER TABLE "User" ADD COLUMN country char(2);
CREATE TABLE new (country character(2), flag char);
-- === good: text, varchar, and the internal one-byte type
CREATE TABLE new (country text, code varchar(2), kind "char");
