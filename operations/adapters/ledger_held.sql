-- Deployments that GitHub holds back until it is told of a decision. Run once, with search_path at the schema.

CREATE TABLE held_deployments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    repository text NOT NULL,
    there text NOT NULL,
    run_id bigint NOT NULL,
    deployment_id bigint NOT NULL,
    request_id text REFERENCES requests,
    answer text CHECK (answer IN ('approved', 'rejected', 'gone')),
    held_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at timestamptz,
    due timestamptz NOT NULL DEFAULT '-infinity',
    UNIQUE (repository, deployment_id)
);
CREATE INDEX held_deployments_open ON held_deployments (due) WHERE answer IS NULL;
