-- privileges that were changed on objects of the system and of extensions
SELECT NULL, NULL, format('privileges of %s %s', o.type, o.identity), '{}', changed.acl::text[],
       coalesce(i.initprivs, acldefault(changed.kind, changed.owner))::text[]
  FROM (SELECT 'pg_proc'::regclass AS class, p.oid, 0 AS part, p.proacl AS acl, p.proowner AS owner, 'f'::"char" AS kind
          FROM pg_proc p WHERE p.proacl IS NOT NULL
        UNION ALL
        SELECT 'pg_class', c.oid, 0, c.relacl, c.relowner, CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END
          FROM pg_class c WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p')
        UNION ALL
        SELECT 'pg_class', c.oid, a.attnum, a.attacl, c.relowner, 'c'
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
        UNION ALL
        SELECT 'pg_type', t.oid, 0, t.typacl, t.typowner, 'T' FROM pg_type t WHERE t.typacl IS NOT NULL) changed
  LEFT JOIN pg_init_privs i ON i.classoid = changed.class AND i.objoid = changed.oid AND i.objsubid = changed.part
 CROSS JOIN LATERAL pg_identify_object(changed.class, changed.oid, changed.part) o
 WHERE changed.acl IS DISTINCT FROM i.initprivs AND o.schema IS DISTINCT FROM 'information_schema'
   AND (changed.oid < 16384
        OR EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = changed.class AND e.objid = changed.oid AND e.deptype = 'e'))
