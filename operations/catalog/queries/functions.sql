-- functions and procedures: source, owner, privileges; a range type's constructors are the type's
-- of pg_proc.oid
SELECT n.nspname, NULL,
       format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
              n.nspname, p.proname, oidvectortypes(p.proargtypes)),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', p.proowner::regrole::text, 'definition', pg_get_functiondef(p.oid), 'comment', d.description))::text,
       p.proacl::text[], CASE WHEN p.proacl IS NOT NULL THEN acldefault('f', p.proowner)::text[] END
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
 WHERE p.prokind <> 'a' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
