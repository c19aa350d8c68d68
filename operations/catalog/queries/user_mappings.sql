-- user mappings: of each option only its name and 16 bits of a hash, since values are passwords
-- of pg_user_mappings.umid
SELECT NULL, NULL, format('user mapping for %I on %I', m.usename, m.srvname),
       jsonb_strip_nulls(jsonb_build_object(
         'options', (SELECT jsonb_agg(format('%s=%s', split_part(o, '=', 1),
                                             left(encode(sha256(convert_to(o, 'UTF8')), 'hex'), 4)) ORDER BY o)
                       FROM unnest(m.umoptions) o)))::text,
       NULL::text[], NULL::text[]
  FROM pg_user_mappings m
