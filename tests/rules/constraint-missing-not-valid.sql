-- === bad: it is checked at once
ALTER TABLE "User" ADD CONSTRAINT rich CHECK (balance > 0);
-- === bad: with a new column
ALTER TABLE "User" ADD COLUMN age int CHECK (age > 0);
-- === good: later, or with nothing to check
ALTER TABLE "User" ADD CONSTRAINT rich CHECK (balance > 0) NOT VALID;
ALTER TABLE "Empty" ADD CONSTRAINT c CHECK (id > 0);
CREATE TABLE new (id int);
ALTER TABLE new ADD CONSTRAINT c CHECK (id > 0);
