-- views and materialized views: query, options, owner, privileges
-- of pg_rewrite.oid
SELECT n.nspname, c.relname,
       format('%s %I.%I', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, n.nspname, c.relname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', c.relowner::regrole::text,
         'query', pg_get_viewdef(c.oid),
         'options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o)),
         'unpopulated', nullif(NOT c.relispopulated, false),
         'access_method', am.amname,
         'tablespace', space.spcname,
         'comment', d.description))::text,
       c.relacl::text[], CASE WHEN c.relacl IS NOT NULL THEN acldefault('r', c.relowner)::text[] END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_tablespace space ON space.oid = c.reltablespace
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
