-- === bad: a function that gives each row its own value
ALTER TABLE "User" ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
-- === bad: the second of two columns, at its place
ALTER TABLE "User" ADD COLUMN a int,
  ADD COLUMN b double precision DEFAULT random();
-- === bad: serial and identity number every row
ALTER TABLE "User" ADD COLUMN number serial;
ALTER TABLE "Post" ADD COLUMN number int GENERATED ALWAYS AS IDENTITY;
-- === bad: generated and stored
ALTER TABLE "User" ADD COLUMN full_name text GENERATED ALWAYS AS (name || nick) STORED;
-- === bad: a domain with a CHECK
ALTER TABLE "User" ADD COLUMN second "Email";
-- === good: constants, now(), nothing, and what is computed when it is read
ALTER TABLE "User" ADD COLUMN a int NOT NULL DEFAULT 0, ADD COLUMN b timestamptz DEFAULT now(), ADD COLUMN c text,
  ADD COLUMN d timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, ADD COLUMN e jsonb DEFAULT '{}'::jsonb,
  ADD COLUMN f text GENERATED ALWAYS AS (name || nick) VIRTUAL, ADD COLUMN g "Label" DEFAULT lower('X');
-- === good: an empty table, and one of its own
ALTER TABLE "Empty" ADD COLUMN token uuid DEFAULT gen_random_uuid();
CREATE TABLE new (id int);
ALTER TABLE new ADD COLUMN token uuid DEFAULT gen_random_uuid();
