-- row security policies
-- of pg_policy.oid
SELECT n.nspname, c.relname, format('policy %I.%I.%I', n.nspname, c.relname, p.polname),
       jsonb_strip_nulls(jsonb_build_object(
         'command', p.polcmd::text,
         'restrictive', nullif(NOT p.polpermissive, false),
         'roles', (SELECT jsonb_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END ORDER BY r::regrole::text)
                     FROM unnest(p.polroles) r),
         'using', pg_get_expr(p.polqual, p.polrelid),
         'with_check', pg_get_expr(p.polwithcheck, p.polrelid),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_policy p
  JOIN pg_class c ON c.oid = p.polrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_policy'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
