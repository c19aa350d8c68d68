-- constraints of domains
-- of pg_constraint.oid
SELECT n.nspname, NULL, format('constraint %I.%I.%I', n.nspname, t.typname, k.conname),
       jsonb_strip_nulls(jsonb_build_object('definition', pg_get_constraintdef(k.oid), 'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_constraint k
  JOIN pg_type t ON t.oid = k.contypid
  JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
