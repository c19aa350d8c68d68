-- AlterTable
ALTER TABLE "Product" ADD COLUMN "slug" TEXT;

-- Backfill: "Oak Table, 120 cm" becomes oak-table-120-cm-FUR-00017
UPDATE "Product"
SET "slug" = TRIM(BOTH '-' FROM LOWER(REGEXP_REPLACE("name", '[^A-Za-z0-9]+', '-', 'g'))) || '-' || "sku";

-- AlterTable
ALTER TABLE "Product" ALTER COLUMN "slug" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "Product_slug_key" ON "Product"("slug");
