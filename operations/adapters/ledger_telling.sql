-- What GitHub is about to be told, before it is. Run once, with search_path at the schema.

ALTER TABLE held_deployments ADD COLUMN telling text CHECK (telling IN ('approved', 'rejected'));
