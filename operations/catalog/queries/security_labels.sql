-- security labels
SELECT NULL, NULL, format('security label of %s %s by %s', o.type, o.identity, l.provider),
       jsonb_build_object('label', l.label)::text, NULL::text[], NULL::text[]
  FROM pg_seclabel l
 CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) o
