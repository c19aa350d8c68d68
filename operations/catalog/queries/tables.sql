-- tables: persistence, options, row security, partitioning, inheritance, owner, privileges; foreign tables too
-- of pg_class.oid
SELECT n.nspname, c.relname,
       format('%s %I.%I', CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, n.nspname, c.relname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', c.relowner::regrole::text,
         'persistence', CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
         'options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o)),
         'toast_options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(toast.reloptions) o)),
         'row_security', CASE WHEN c.relforcerowsecurity THEN 'forced' WHEN c.relrowsecurity THEN 'enabled' END,
         'forced_while_disabled', nullif(c.relforcerowsecurity AND NOT c.relrowsecurity, false),
         'replica_identity', nullif(c.relreplident::text, CASE c.relkind WHEN 'f' THEN 'n' ELSE 'd' END),
         'access_method', am.amname,
         'tablespace', space.spcname,
         'of_type', nullif(c.reloftype, 0)::regtype::text,
         'partition_key', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
         'partition_bound', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
         'parents', (SELECT jsonb_agg(i.inhparent::regclass::text
                                      || CASE WHEN i.inhdetachpending THEN ' (detach pending)' ELSE '' END
                                      ORDER BY i.inhseqno)
                       FROM pg_inherits i WHERE i.inhrelid = c.oid),
         'server', server.srvname,
         'foreign_options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(f.ftoptions) o)),
         'comment', d.description))::text,
       c.relacl::text[], CASE WHEN c.relacl IS NOT NULL THEN acldefault('r', c.relowner)::text[] END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_tablespace space ON space.oid = c.reltablespace
  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
  LEFT JOIN pg_foreign_server server ON server.oid = f.ftserver
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
