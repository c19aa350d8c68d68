-- tables of publications, with their columns and row filter
-- since 15
-- of pg_publication.oid
SELECT n.nspname, c.relname, format('publication %I of %I.%I', p.pubname, n.nspname, c.relname),
       jsonb_strip_nulls(jsonb_build_object(
         'columns', (SELECT jsonb_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[])),
         'where', pg_get_expr(r.prqual, c.oid)))::text,
       NULL::text[], NULL::text[]
  FROM pg_publication_rel r
  JOIN pg_publication p ON p.oid = r.prpubid
  JOIN pg_class c ON c.oid = r.prrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
