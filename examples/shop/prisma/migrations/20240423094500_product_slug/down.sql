ALTER TABLE "Product" DROP COLUMN "slug";
