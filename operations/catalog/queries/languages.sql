-- procedural languages that no extension brought
-- of pg_language.oid
SELECT NULL, NULL, format('language %I', l.lanname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', l.lanowner::regrole::text, 'trusted', l.lanpltrusted,
         'handler', nullif(l.lanplcallfoid, 0)::regprocedure::text,
         'inline', nullif(l.laninline, 0)::regprocedure::text,
         'validator', nullif(l.lanvalidator, 0)::regprocedure::text,
         'comment', d.description))::text,
       l.lanacl::text[], CASE WHEN l.lanacl IS NOT NULL THEN acldefault('l', l.lanowner)::text[] END
  FROM pg_language l
  LEFT JOIN pg_description d ON d.objoid = l.oid AND d.classoid = 'pg_language'::regclass
 WHERE l.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_language'::regclass AND e.objid = l.oid AND e.deptype = 'e')
