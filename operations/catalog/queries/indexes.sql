-- indexes: definition, whether valid, clustered on, replica identity, attached to a partitioned one
-- of pg_index.indexrelid
SELECT n.nspname, c.relname, format('index %I.%I', n.nspname, i.relname),
       jsonb_strip_nulls(jsonb_build_object(
         'definition', pg_get_indexdef(x.indexrelid),
         'invalid', nullif(NOT x.indisvalid, false),
         'clustered', nullif(x.indisclustered, false),
         'replica_identity', nullif(x.indisreplident, false),
         'tablespace', space.spcname,
         'partition_of', (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.oid),
         'statistics', (SELECT jsonb_object_agg(a.attnum, a.attstattarget)
                          FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget >= 0),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class c ON c.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = i.relnamespace
  LEFT JOIN pg_tablespace space ON space.oid = i.reltablespace
  LEFT JOIN pg_description d ON d.objoid = i.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
