-- Who has opened App Home and what it shows; what was last found at environments. Run once, with search_path at the schema.

CREATE TABLE homes (
    person text PRIMARY KEY,
    opened_at timestamptz NOT NULL,
    shown text NOT NULL DEFAULT '',
    leased_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX homes_opened ON homes (opened_at);

CREATE TABLE boards (
    environment text PRIMARY KEY,
    look json NOT NULL
);
