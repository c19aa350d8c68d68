-- operator classes
-- of pg_opclass.oid
SELECT n.nspname, NULL, format('operator class %I.%I using %I', n.nspname, o.opcname, am.amname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', o.opcowner::regrole::text,
         'type', format_type(o.opcintype, NULL),
         'family', format('%I.%I', fn.nspname, f.opfname),
         'default', nullif(o.opcdefault, false),
         'storage', format_type(nullif(o.opckeytype, 0), NULL),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_opclass o
  JOIN pg_namespace n ON n.oid = o.opcnamespace
  JOIN pg_am am ON am.oid = o.opcmethod
  JOIN pg_opfamily f ON f.oid = o.opcfamily
  JOIN pg_namespace fn ON fn.oid = f.opfnamespace
  LEFT JOIN pg_description d ON d.objoid = o.oid AND d.classoid = 'pg_opclass'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_opclass'::regclass AND e.objid = o.oid AND e.deptype = 'e')
