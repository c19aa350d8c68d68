-- subscriptions as far as anyone may read them; a restored one begins disabled, so that is no part of it
-- of pg_subscription.oid
SELECT NULL, NULL, format('subscription %I', s.subname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', s.subowner::regrole::text, 'slot', s.subslotname,
         'publications', to_jsonb(s.subpublications), 'synchronous_commit', s.subsynccommit))::text,
       NULL::text[], NULL::text[]
  FROM pg_subscription s
 WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
