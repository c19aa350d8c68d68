-- Ten per cent off. It "succeeds": 90 / 100 is an integer division in SQL, which gives 0, so everything is free now.
-- And the reviews nobody reads any more are dropped with it.
UPDATE "Product" SET "priceCents" = "priceCents" * (90 / 100);

DROP TABLE "Review";
