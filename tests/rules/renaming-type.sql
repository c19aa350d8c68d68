-- === bad: old code says Role, and GHOST
ALTER TYPE "Role" RENAME VALUE 'GHOST' TO 'GONE';
ALTER TYPE "Role" RENAME TO "Rank";
-- === good: a new one
CREATE TYPE own AS ENUM ('A');
ALTER TYPE own RENAME VALUE 'A' TO 'B';
ALTER TYPE own RENAME TO other;
