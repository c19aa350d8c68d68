"""The ledger's statements; ``ledger_1.sql`` has the tables."""

from __future__ import annotations

from operations.adapters.ledger_rows import AUDIT_COLUMNS, COLUMNS, FREEZE_COLUMNS, MESSAGE_COLUMNS

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
NOW = "SELECT extract(epoch FROM clock_timestamp())"
OF_PERSON = """
    SELECT count(*) FROM requests WHERE person = %s AND created_at > clock_timestamp() - interval '1 hour'
"""
CREATE = f"""
    INSERT INTO requests (id, environment, operation, arguments, person, account, reason, state, executor, policy,
                          break_glass, expires_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 'planning', %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (id) DO NOTHING RETURNING {COLUMNS}
"""
ONE = f"SELECT {COLUMNS} FROM requests WHERE id = %s"
LOCK = "SELECT FROM requests WHERE id = %s FOR UPDATE"
LOCKED = f"""
    SELECT {COLUMNS}, extract(epoch FROM clock_timestamp()) FROM requests WHERE id = %s
"""
"""A statement of its own behind the lock: what others have committed while it was waited for must be seen."""
FREEZE_OF = f"""
    SELECT {FREEZE_COLUMNS} FROM freezes
    WHERE environment = (SELECT environment FROM requests WHERE id = %s)
      AND lifted_at IS NULL AND (until IS NULL OR until > clock_timestamp())
"""
CHANGE = """
    UPDATE requests SET
        state = %(new)s,
        revision = revision + 1,
        version = version + %(amended)s::bool::int,
        arguments = coalesce(%(arguments)s::json, arguments),
        reason = coalesce(%(new_reason)s::text, reason),
        proposal = CASE WHEN %(amended)s::bool THEN NULL ELSE coalesce(%(proposal)s::json, proposal) END,
        digest = CASE WHEN %(amended)s::bool THEN NULL ELSE coalesce(%(digest)s::text, digest) END,
        why = coalesce(%(why)s::text, why),
        outcome = coalesce(%(outcome)s::json, outcome),
        reviewer = coalesce(%(reviewer)s::text, reviewer),
        reviewer_account = coalesce(%(reviewer_account)s::text, reviewer_account),
        expires_at = coalesce(clock_timestamp() + make_interval(secs => %(expires_in)s::float), expires_at),
        decided_at = CASE WHEN %(decided)s::bool THEN coalesce(decided_at, clock_timestamp()) ELSE decided_at END,
        started_at = CASE WHEN %(started)s::bool THEN clock_timestamp() ELSE started_at END,
        beat_at = CASE WHEN %(started)s::bool THEN clock_timestamp() ELSE beat_at END,
        token = CASE WHEN %(started)s::bool THEN nextval('tokens') ELSE token END,
        ended_at = CASE WHEN %(ended)s::bool THEN coalesce(ended_at, clock_timestamp()) ELSE ended_at END
    WHERE id = %(id)s AND state = %(old)s AND version = %(version)s
      AND (%(any_time)s::bool OR (expires_at <= clock_timestamp()) = %(after_expiry)s::bool)
      AND (%(token)s::bigint IS NULL OR token = %(token)s::bigint)
      AND (%(silent_for)s::float IS NULL OR beat_at < clock_timestamp() - make_interval(secs => %(silent_for)s::float))
"""
VOTE = """
    INSERT INTO votes (request_id, version, person, account, agrees, reason) VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
BEAT = """
    WITH beaten AS (
        UPDATE requests SET beat_at = clock_timestamp(), progress = coalesce(%(progress)s::text, progress),
            revision = revision + (%(progress)s::text IS NOT NULL AND %(progress)s::text <> progress)::int
        WHERE id = %(id)s AND token = %(token)s AND state = 'running' RETURNING id, revision),
    told AS (
        UPDATE messages SET wanted = beaten.revision FROM beaten
        WHERE messages.request_id = beaten.id AND messages.wanted < beaten.revision)
    SELECT id FROM beaten
"""
WANT = "UPDATE messages SET wanted = %s WHERE request_id = %s"
OPEN = f"""
    SELECT {COLUMNS} FROM requests
    WHERE (state IN ('planning', 'pending', 'approved', 'running')
           OR break_glass AND reviewer IS NULL AND state IN ('done', 'failed', 'needs_attention'))
      AND (%(environment)s::text IS NULL OR environment = %(environment)s)
    ORDER BY created_at
"""
HISTORY = f"""
    SELECT {COLUMNS} FROM requests WHERE %(environment)s::text IS NULL OR environment = %(environment)s
    ORDER BY created_at DESC LIMIT %(limit)s
"""
TYPICAL = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
        SELECT extract(epoch FROM ended_at - started_at) AS seconds FROM requests
        WHERE environment = %s AND operation = %s AND state = 'done' ORDER BY created_at DESC LIMIT 20) latest
"""
AUDIT = "INSERT INTO audit (body) VALUES (%s) RETURNING seq, at, body, previous, hash"
ENTRIES = f"SELECT {AUDIT_COLUMNS} FROM audit WHERE seq > %s ORDER BY seq LIMIT %s"
ENTRIES_OF = f"""
    SELECT {AUDIT_COLUMNS} FROM audit WHERE seq > %s AND body::json ->> 'request' = %s ORDER BY seq LIMIT %s
"""
LATEST = ENTRIES.replace("ORDER BY seq", "ORDER BY seq DESC")
LATEST_OF = ENTRIES_OF.replace("ORDER BY seq", "ORDER BY seq DESC")
LIFT = f"""
    UPDATE freezes SET lifted_at = clock_timestamp() WHERE environment = %s AND lifted_at IS NULL
    RETURNING {FREEZE_COLUMNS}, until IS NULL OR until > clock_timestamp()
"""
FREEZE = f"""
    INSERT INTO freezes (environment, person, account, reason, until) VALUES (%s, %s, %s, %s, to_timestamp(%s))
    ON CONFLICT (environment) WHERE lifted_at IS NULL DO UPDATE SET
        person = excluded.person, account = excluded.account, reason = excluded.reason,
        since = clock_timestamp(), until = excluded.until
    RETURNING {FREEZE_COLUMNS}
"""
FROZEN = f"""
    SELECT {FREEZE_COLUMNS} FROM freezes
    WHERE environment = %s AND lifted_at IS NULL AND (until IS NULL OR until > clock_timestamp())
"""
SHOW_IN = """
    INSERT INTO messages (request_id, kind, channel, ts, shown, wanted)
    SELECT id, %s, %s, %s, %s, revision FROM requests WHERE id = %s
    ON CONFLICT (request_id, kind, channel) DO UPDATE SET ts = coalesce(excluded.ts, messages.ts),
                                                          shown = greatest(excluded.shown, messages.shown)
"""
MESSAGES = f"SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.request_id = %s ORDER BY m.id"
STALE = f"""
    WITH chosen AS (
        SELECT id FROM messages WHERE shown < wanted AND leased_until < clock_timestamp()
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
    UPDATE messages m SET leased_until = clock_timestamp() + make_interval(secs => %s)
    FROM chosen WHERE m.id = chosen.id RETURNING {MESSAGE_COLUMNS}
"""
SHOWN = """
    UPDATE messages SET ts = %s, shown = greatest(shown, %s),
        leased_until = clock_timestamp() + make_interval(secs => %s)
    WHERE id = %s
"""
FORGET = "UPDATE messages SET ts = NULL, shown = 0, leased_until = '-infinity' WHERE id = %s"
IS_SEEN = "SELECT 1 FROM signatures WHERE signature = %s"
SEEN = "INSERT INTO signatures (signature) VALUES (%s) ON CONFLICT DO NOTHING"
OVERDUE = """
    SELECT id FROM requests
    WHERE state IN ('planning', 'pending', 'approved') AND expires_at <= clock_timestamp() ORDER BY id
"""
SILENT = """
    SELECT id FROM requests
    WHERE state = 'running' AND beat_at < clock_timestamp() - make_interval(secs => %s) ORDER BY id
"""
ONE_SWEEPER = "SELECT pg_try_advisory_xact_lock(7243617264)"
DROP_DEAD_JOBS = """
    DELETE FROM procrastinate_jobs job USING (
        SELECT j.id FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
        WHERE j.queue_name = %s AND j.status = 'doing'
          AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %s))
          AND NOT EXISTS (SELECT FROM requests r WHERE r.id = j.args ->> 'request_id' AND r.state = 'running')) dead
    WHERE job.id = dead.id AND job.status = 'doing'
"""
"""Of a worker that is gone; while its request still counts as running, that keeps the environment's next one away."""
WITHOUT_JOB = f"""
    SELECT {COLUMNS} FROM requests
    WHERE (state = 'planning' OR state = 'approved' AND executor = 'worker') AND expires_at > clock_timestamp()
      AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.args ->> 'request_id' = requests.id
                        AND j.status IN ('todo', 'doing'))
    ORDER BY created_at
"""
WITHOUT_LOOK = f"""
    SELECT {COLUMNS} FROM requests
    WHERE state = 'needs_attention' AND outcome ->> 'error' = 'lost'
      AND ended_at > clock_timestamp() - interval '7 days'
      AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.args ->> 'request_id' = requests.id
                        AND j.status IN ('todo', 'doing'))
    ORDER BY created_at
"""
"""Given up for lost, and it could not be told yet what became of them."""
FORGET_SIGNATURES = "DELETE FROM signatures WHERE seen_at < clock_timestamp() - interval '15 minutes'"
