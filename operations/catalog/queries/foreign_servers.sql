-- foreign servers
-- of pg_foreign_server.oid
SELECT NULL, NULL, format('server %I', s.srvname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', s.srvowner::regrole::text, 'wrapper', w.fdwname, 'type', s.srvtype, 'version', s.srvversion,
         'options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(s.srvoptions) o)),
         'comment', d.description))::text,
       s.srvacl::text[], CASE WHEN s.srvacl IS NOT NULL THEN acldefault('S', s.srvowner)::text[] END
  FROM pg_foreign_server s
  JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  LEFT JOIN pg_description d ON d.objoid = s.oid AND d.classoid = 'pg_foreign_server'::regclass
 WHERE NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_foreign_server'::regclass AND e.objid = s.oid AND e.deptype = 'e')
