-- extensions: version and schema; their members are theirs, not ours
SELECT NULL, NULL, format('extension %I', x.extname),
       jsonb_build_object('version', x.extversion, 'schema', n.nspname)::text, NULL::text[], NULL::text[]
  FROM pg_extension x
  JOIN pg_namespace n ON n.oid = x.extnamespace
