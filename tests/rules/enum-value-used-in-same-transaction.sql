-- === bad: used before it is committed
ALTER TYPE "Role" ADD VALUE 'OWNER';
ALTER TABLE "User" ALTER COLUMN role SET DEFAULT 'OWNER';
-- === good: only added
ALTER TYPE "Role" ADD VALUE 'OWNER';
ALTER TABLE "User" ALTER COLUMN role SET DEFAULT 'ADMIN';
