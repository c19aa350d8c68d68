-- encoding conversions
-- of pg_conversion.oid
SELECT n.nspname, NULL, format('conversion %I.%I', n.nspname, c.conname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', c.conowner::regrole::text,
         'from', pg_encoding_to_char(c.conforencoding), 'to', pg_encoding_to_char(c.contoencoding),
         'function', c.conproc::oid::regprocedure::text, 'default', nullif(c.condefault, false),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_conversion c
  JOIN pg_namespace n ON n.oid = c.connamespace
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_conversion'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_conversion'::regclass AND e.objid = c.oid AND e.deptype = 'e')
