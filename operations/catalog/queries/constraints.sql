-- constraints of tables: definition with deferrability and validation; the copies that partitions get are their parent's
-- of pg_constraint.oid
SELECT n.nspname, c.relname, format('constraint %I.%I.%I', n.nspname, c.relname, k.conname),
       jsonb_strip_nulls(jsonb_build_object(
         'definition', pg_get_constraintdef(k.oid),
         'inherited_only', CASE WHEN NOT c.relispartition THEN nullif(NOT k.conislocal, false) END,
         'triggers', (SELECT jsonb_agg(DISTINCT t.tgenabled::text) FILTER (WHERE t.tgenabled <> 'O')
                        FROM pg_trigger t WHERE t.tgconstraint = k.oid AND k.contype = 'f'),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass
 WHERE k.contype <> 't' AND NOT (k.contype = 'f' AND k.conparentid <> 0)
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
