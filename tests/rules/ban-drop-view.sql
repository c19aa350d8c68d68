-- === bad: views that stood before
DROP VIEW recent, attic.old;
-- === bad: with CASCADE
DROP MATERIALIZED VIEW IF EXISTS sums CASCADE;
-- === good: made anew in the same file, or its own
DROP VIEW recent;
CREATE VIEW recent AS SELECT * FROM "Post";
DROP MATERIALIZED VIEW sums;
CREATE MATERIALIZED VIEW sums AS SELECT count(*) FROM "Post";
CREATE VIEW own AS SELECT 1;
DROP VIEW own;
