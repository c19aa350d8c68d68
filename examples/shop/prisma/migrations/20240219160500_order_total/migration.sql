-- AlterTable
ALTER TABLE "Order" ADD COLUMN "totalCents" INTEGER;

-- What the orders so far came to
UPDATE "Order" o
SET "totalCents" = COALESCE(
    (SELECT SUM(i."quantity" * i."unitPriceCents") FROM "OrderItem" i WHERE i."orderId" = o."id"), 0
);

-- AlterTable
ALTER TABLE "Order" ALTER COLUMN "totalCents" SET NOT NULL;
ALTER TABLE "Order" ALTER COLUMN "totalCents" SET DEFAULT 0;
