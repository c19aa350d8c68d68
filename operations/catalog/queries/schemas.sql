-- schemas: owner, privileges
SELECT n.nspname, NULL, format('schema %I', n.nspname),
       jsonb_strip_nulls(jsonb_build_object('owner', n.nspowner::regrole::text, 'comment', d.description))::text,
       n.nspacl::text[], CASE WHEN n.nspacl IS NOT NULL THEN acldefault('n', n.nspowner)::text[] END
  FROM pg_namespace n
  LEFT JOIN pg_description d ON d.objoid = n.oid AND d.classoid = 'pg_namespace'::regclass AND d.objsubid = 0
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')
