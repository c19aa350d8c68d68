-- === bad: as Prisma writes it
-- AlterEnum
BEGIN;
CREATE TYPE "Role_new" AS ENUM ('USER', 'ADMIN');
ALTER TABLE "User" ALTER COLUMN "role" DROP DEFAULT;
ALTER TABLE "User" ALTER COLUMN "role" TYPE "Role_new" USING ("role"::text::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
ALTER TYPE "Role_new" RENAME TO "Role";
DROP TYPE "Role_old";
ALTER TABLE "User" ALTER COLUMN "role" SET DEFAULT 'USER';
COMMIT;

-- AlterTable
ALTER TABLE "User" ADD COLUMN a int;
-- === bad: by hand, without a transaction
CREATE TYPE "Role2" AS ENUM ('USER', 'ADMIN');
ALTER TABLE "User" ALTER COLUMN "role" TYPE "Role2" USING ("role"::text::"Role2");
DROP TYPE "Role";
ALTER TYPE "Role2" RENAME TO "Role";
-- === bad: two in one file, and the old one put aside first
BEGIN;
CREATE TYPE "Role_new" AS ENUM ('USER', 'ADMIN');
ALTER TABLE "User" ALTER COLUMN "role" TYPE "Role_new" USING ("role"::text::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
ALTER TYPE "Role_new" RENAME TO "Role";
DROP TYPE "Role_old";
COMMIT;
BEGIN;
ALTER TYPE "Rank" RENAME TO "Rank_old";
CREATE TYPE "Rank" AS ENUM ('UP', 'DOWN');
ALTER TABLE "Post" ALTER COLUMN "rank" TYPE "Rank" USING "rank"::text::"Rank";
DROP TYPE "Rank_old";
ALTER TABLE "Post" ALTER COLUMN "rank" SET DEFAULT 'UP';
COMMIT;
-- === good: allowed, for all of it
-- locktender: allow recreating-enum because no row was ever a ghost
BEGIN;
CREATE TYPE "Role_new" AS ENUM ('USER', 'ADMIN');
ALTER TABLE "User" ALTER COLUMN "role" TYPE "Role_new" USING ("role"::text::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
ALTER TYPE "Role_new" RENAME TO "Role";
DROP TYPE "Role_old";
COMMIT;
-- === good: an enum of its own
CREATE TYPE own AS ENUM ('A');
CREATE TYPE own_new AS ENUM ('B');
ALTER TYPE own RENAME TO own_old;
ALTER TYPE own_new RENAME TO own;
DROP TYPE own_old;
