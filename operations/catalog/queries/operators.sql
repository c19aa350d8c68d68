-- operators
-- of pg_operator.oid
SELECT n.nspname, NULL,
       format('operator %I.%s(%s, %s)', n.nspname, o.oprname, format_type(nullif(o.oprleft, 0), NULL),
              format_type(o.oprright, NULL)),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', o.oprowner::regrole::text,
         'function', o.oprcode::oid::regprocedure::text,
         'commutator', nullif(o.oprcom, 0)::regoperator::text,
         'negator', nullif(o.oprnegate, 0)::regoperator::text,
         'restrict', nullif(o.oprrest, 0)::oid::regprocedure::text,
         'join', nullif(o.oprjoin, 0)::oid::regprocedure::text,
         'merges', nullif(o.oprcanmerge, false), 'hashes', nullif(o.oprcanhash, false),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_operator o
  JOIN pg_namespace n ON n.oid = o.oprnamespace
  LEFT JOIN pg_description d ON d.objoid = o.oid AND d.classoid = 'pg_operator'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_operator'::regclass AND e.objid = o.oid AND e.deptype = 'e')
