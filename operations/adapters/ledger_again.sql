-- What is tried again with GitHub, and how often it was, whichever worker does it. Run once, with search_path at the schema.

ALTER TABLE held_deployments ADD COLUMN tries integer NOT NULL DEFAULT 0, ADD COLUMN gone integer NOT NULL DEFAULT 0;

-- Webhooks that did not arrive, by GitHub's name for all deliveries of the same one.
CREATE TABLE redeliveries (
    guid text PRIMARY KEY,
    tries integer NOT NULL DEFAULT 1,
    due timestamptz NOT NULL
);
CREATE INDEX redeliveries_due ON redeliveries (due);
