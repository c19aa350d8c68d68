-- sequences: parameters, who owns them, privileges; never their value
-- of pg_sequence.seqrelid
SELECT coalesce(tn.nspname, n.nspname), coalesce(t.relname, c.relname), format('sequence %I.%I', n.nspname, c.relname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', c.relowner::regrole::text,
         'persistence', CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
         'type', format_type(s.seqtypid, NULL),
         'start', s.seqstart, 'increment', s.seqincrement, 'minimum', s.seqmin, 'maximum', s.seqmax,
         'cache', s.seqcache, 'cycle', nullif(s.seqcycle, false),
         CASE o.deptype WHEN 'i' THEN 'identity_of' ELSE 'owned_by' END,
         CASE WHEN t.oid IS NOT NULL THEN format('%I.%I.%I', tn.nspname, t.relname, a.attname) END,
         'comment', d.description))::text,
       c.relacl::text[], CASE WHEN c.relacl IS NOT NULL THEN acldefault('s', c.relowner)::text[] END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_sequence s ON s.seqrelid = c.oid
  LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.objsubid = 0
                       AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')
  LEFT JOIN pg_class t ON t.oid = o.refobjid
  LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
