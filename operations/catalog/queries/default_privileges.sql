-- default privileges of roles, in all schemas or in one
-- of pg_default_acl.oid
SELECT n.nspname, NULL,
       format('default privileges of %I on %s%s', a.defaclrole::regrole,
              CASE a.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                   WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects'
                                   ELSE a.defaclobjtype::text END,
              ' in ' || quote_ident(n.nspname)),
       '{}', a.defaclacl::text[],
       CASE WHEN a.defaclnamespace = 0
            THEN acldefault(CASE a.defaclobjtype WHEN 'S' THEN 's' ELSE a.defaclobjtype END, a.defaclrole)::text[] END
  FROM pg_default_acl a
  LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace
