-- columns: type, collation, nullability, default or generation, storage, statistics target, privileges;
-- a partition without its parent's default comes out of a dump with NULL for one, which says the same; pg_attver is
-- the server's own count of a column's changes (15.20 has it, 15.18 not), and another one after every restore
-- of pg_class.oid
SELECT n.nspname, c.relname,
       format('%s %I.%I.%I', CASE c.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END,
              n.nspname, c.relname, a.attname),
       jsonb_strip_nulls(jsonb_build_object(
         'type', format_type(a.atttypid, a.atttypmod),
         'collation', CASE WHEN a.attcollation <> t.typcollation THEN nullif(a.attcollation, 0)::regcollation::text END,
         'not_null', nullif(a.attnotnull, false),
         CASE a.attgenerated WHEN '' THEN 'default' WHEN 's' THEN 'generated_stored' ELSE 'generated_virtual' END,
         CASE WHEN a.attgenerated <> '' OR pg_get_expr(x.adbin, x.adrelid) !~ '^NULL::'
              THEN pg_get_expr(x.adbin, x.adrelid) END,
         'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
         'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
         'compression', nullif(a.attcompression::text, ''),
         'statistics', nullif(a.attstattarget, -1),
         'options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o
                                WHERE o NOT LIKE 'pg\_attver=%')),
         'foreign_options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(a.attfdwoptions) o)),
         'inherited_only', CASE WHEN NOT c.relispartition THEN nullif(NOT a.attislocal, false) END,
         'comment', d.description))::text,
       a.attacl::text[], CASE WHEN a.attacl IS NOT NULL THEN acldefault('c', c.relowner)::text[] END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef x ON x.adrelid = c.oid AND x.adnum = a.attnum
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
 WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE c.relkind = 'c' AND e.classid = 'pg_type'::regclass AND e.objid = c.reltype AND e.deptype = 'e')
