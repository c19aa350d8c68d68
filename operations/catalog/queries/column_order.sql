-- the order of a table's columns; a child by inheritance gets its parent's first when it is restored, so it has none
-- of pg_class.oid
SELECT n.nspname, c.relname, format('columns of %I.%I', n.nspname, c.relname),
       jsonb_agg(a.attname ORDER BY a.attnum)::text, NULL::text[], NULL::text[]
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p', 'f', 'c') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND (c.relispartition OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid))
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE c.relkind = 'c' AND e.classid = 'pg_type'::regclass AND e.objid = c.reltype AND e.deptype = 'e')
 GROUP BY n.nspname, c.relname
