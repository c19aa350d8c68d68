-- The busiest table: built without locking it, which PostgreSQL does not do inside a transaction
CREATE INDEX CONCURRENTLY "Order_customerId_createdAt_idx" ON "Order"("customerId", "createdAt" DESC);
