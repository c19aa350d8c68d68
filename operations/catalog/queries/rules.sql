-- rewrite rules besides those that views are made of
-- of pg_rewrite.oid
SELECT n.nspname, c.relname, format('rule %I.%I.%I', n.nspname, c.relname, r.rulename),
       jsonb_strip_nulls(jsonb_build_object(
         'definition', pg_get_ruledef(r.oid), 'enabled', nullif(r.ev_enabled::text, 'O'),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_rewrite'::regclass
 WHERE r.rulename <> '_RETURN' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
