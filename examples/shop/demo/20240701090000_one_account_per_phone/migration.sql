-- Wants each phone number to belong to one customer. On an empty test database this works. In the real data families
-- share a number, so the last statement fails, when the first two have already changed every customer.
ALTER TABLE "Customer" ADD COLUMN "phoneVerified" BOOLEAN NOT NULL DEFAULT false;

UPDATE "Customer" SET "phone" = REPLACE("phone", ' ', '');

CREATE UNIQUE INDEX "Customer_phone_key" ON "Customer"("phone");
