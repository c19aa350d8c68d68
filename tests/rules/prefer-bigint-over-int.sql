-- on: it is off by default
-- === bad: primary keys
CREATE TABLE new (id serial, n int, CONSTRAINT new_pkey PRIMARY KEY (id));
CREATE TABLE other (id int PRIMARY KEY);
-- === good: room enough, or no key
CREATE TABLE new (id bigserial PRIMARY KEY, n int);
