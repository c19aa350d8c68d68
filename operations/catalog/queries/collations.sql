-- collations; the version of the operating system's rules is not part of them (columns differ between servers 14 and 18)
-- of pg_collation.oid
SELECT n.nspname, NULL, format('collation %I.%I', n.nspname, c.collname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', c.collowner::regrole::text,
         'provider', c.collprovider::text,
         'nondeterministic', nullif(NOT c.collisdeterministic, false),
         'encoding', nullif(c.collencoding, -1),
         'collate', c.collcollate::text, 'ctype', c.collctype::text,
         'locale', coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale'),
         'rules', to_jsonb(c) ->> 'collicurules',
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_collation c
  JOIN pg_namespace n ON n.oid = c.collnamespace
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_collation'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_collation'::regclass AND e.objid = c.oid AND e.deptype = 'e')
