-- access methods made by users
-- of pg_am.oid
SELECT NULL, NULL, format('access method %I', m.amname),
       jsonb_build_object('handler', m.amhandler::oid::regprocedure::text, 'type', m.amtype::text)::text,
       NULL::text[], NULL::text[]
  FROM pg_am m
 WHERE m.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_am'::regclass AND e.objid = m.oid AND e.deptype = 'e')
