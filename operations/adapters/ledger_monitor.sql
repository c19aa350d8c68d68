-- What the monitor knows from look to look, and its history. Run once, with search_path at the schema.

CREATE TABLE monitor_states (
    environment text PRIMARY KEY,
    looked_at double precision NOT NULL,
    state text NOT NULL
);

CREATE TABLE monitor_looks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    at timestamptz NOT NULL,
    told boolean NOT NULL,
    look json NOT NULL
);
CREATE INDEX monitor_looks_at ON monitor_looks (environment, told, at);
