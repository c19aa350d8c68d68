-- === bad: it outlives the file
SET search_path = attic;
SET statement_timeout = '5min';
RESET statement_timeout;
-- === good: local, or put back
SET LOCAL lock_timeout = '2s';
SET statement_timeout = 0;
SELECT 1;
RESET ALL;
