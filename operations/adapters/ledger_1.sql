-- Requests, votes, freezes, messages and the audit log. Run once, with search_path at the schema.

CREATE SEQUENCE tokens;

CREATE TABLE requests (
    id text PRIMARY KEY,
    version integer NOT NULL DEFAULT 1,
    revision bigint NOT NULL DEFAULT 1,
    environment text NOT NULL,
    operation text NOT NULL,
    arguments json NOT NULL,
    person text NOT NULL,
    account text NOT NULL,
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN ('planning', 'pending', 'approved', 'running', 'done', 'failed',
                                         'needs_attention', 'denied', 'expired', 'cancelled', 'voided')),
    executor text NOT NULL CHECK (executor IN ('worker', 'caller')),
    policy json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    proposal json,
    digest text,
    why text NOT NULL DEFAULT '',
    decided_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    token bigint,
    beat_at timestamptz,
    progress text NOT NULL DEFAULT '',
    outcome json,
    break_glass boolean NOT NULL,
    reviewer text,
    reviewer_account text
);
CREATE INDEX requests_open ON requests (environment) WHERE state IN ('planning', 'pending', 'approved', 'running');
CREATE INDEX requests_created ON requests (created_at);

-- One person has one word on one version of a request, whichever account it comes from.
CREATE TABLE votes (
    request_id text NOT NULL REFERENCES requests,
    version integer NOT NULL,
    person text NOT NULL,
    account text NOT NULL,
    agrees boolean NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (request_id, version, person)
);

CREATE TABLE freezes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    person text NOT NULL,
    account text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz,
    lifted_at timestamptz
);
CREATE UNIQUE INDEX freezes_standing ON freezes (environment) WHERE lifted_at IS NULL;

CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id text NOT NULL REFERENCES requests,
    kind text NOT NULL,
    channel text NOT NULL,
    ts text,
    shown bigint NOT NULL DEFAULT 0,
    wanted bigint NOT NULL,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    UNIQUE (request_id, kind, channel)
);
CREATE INDEX messages_stale ON messages (id) WHERE shown < wanted;

CREATE TABLE signatures (
    signature text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX signatures_seen ON signatures (seen_at);

-- The hash chain. Whoever writes gives the body; the rest is made here, one after the other.
CREATE TABLE audit (
    seq bigint PRIMARY KEY,
    at text NOT NULL,
    body text NOT NULL,
    previous text NOT NULL UNIQUE,
    hash text NOT NULL UNIQUE
);

CREATE INDEX audit_request ON audit ((body::json ->> 'request'));

CREATE FUNCTION chain() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    head record;
BEGIN
    PERFORM pg_advisory_xact_lock(7243617262);
    SELECT seq, hash INTO head FROM audit ORDER BY seq DESC LIMIT 1;
    NEW.seq := coalesce(head.seq, 0) + 1;
    NEW.previous := coalesce(head.hash, repeat('0', 64));
    NEW.at := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    NEW.hash := encode(sha256(convert_to(concat_ws(E'\n', NEW.previous, NEW.seq, NEW.at, NEW.body), 'UTF8')), 'hex');
    RETURN NEW;
END
$$;
CREATE TRIGGER chain BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION chain();

CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to';
END
$$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep();
