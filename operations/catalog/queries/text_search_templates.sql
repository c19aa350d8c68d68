-- text search templates
-- of pg_ts_template.oid
SELECT n.nspname, NULL, format('text search template %I.%I', n.nspname, t.tmplname),
       jsonb_strip_nulls(jsonb_build_object(
         'functions', jsonb_build_array(t.tmplinit::text, t.tmpllexize::text), 'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_ts_template t
  JOIN pg_namespace n ON n.oid = t.tmplnamespace
  LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_ts_template'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_ts_template'::regclass AND e.objid = t.oid AND e.deptype = 'e')
