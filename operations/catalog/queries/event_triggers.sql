-- event triggers
-- of pg_event_trigger.oid
SELECT NULL, NULL, format('event trigger %I', t.evtname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', t.evtowner::regrole::text, 'event', t.evtevent, 'function', t.evtfoid::regprocedure::text,
         'enabled', nullif(t.evtenabled::text, 'O'),
         'tags', to_jsonb((SELECT array_agg(g ORDER BY g) FROM unnest(t.evttags) g)),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_event_trigger t
  LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_event_trigger'::regclass
 WHERE NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = t.oid AND e.deptype = 'e')
