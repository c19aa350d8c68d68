-- on: it is off by default
-- === bad: which moment?
CREATE TABLE new (at timestamp(3) NOT NULL);
-- === good: this one
CREATE TABLE new (at timestamptz(3) NOT NULL);
