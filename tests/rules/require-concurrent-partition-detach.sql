-- === bad: under the lock of all partitions
ALTER TABLE "Log" DETACH PARTITION "Log_2025";
-- === good: concurrently
ALTER TABLE "Log" DETACH PARTITION "Log_2025" CONCURRENTLY;
