-- transforms between types and languages
-- of pg_transform.oid
SELECT NULL, NULL, format('transform for %s language %I', format_type(t.trftype, NULL), l.lanname),
       jsonb_build_object('from_sql', nullif(t.trffromsql, 0)::oid::regprocedure::text,
                          'to_sql', nullif(t.trftosql, 0)::oid::regprocedure::text)::text,
       NULL::text[], NULL::text[]
  FROM pg_transform t
  JOIN pg_language l ON l.oid = t.trflang
 WHERE NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_transform'::regclass AND e.objid = t.oid AND e.deptype = 'e')
