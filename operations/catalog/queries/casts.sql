-- casts made by users, not with a range type (16384 is the first object id that initdb does not give out)
-- of pg_cast.oid
SELECT NULL, NULL, format('cast (%s AS %s)', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
       jsonb_strip_nulls(jsonb_build_object(
         'function', nullif(c.castfunc, 0)::regprocedure::text, 'context', c.castcontext::text,
         'method', c.castmethod::text, 'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_cast c
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_cast'::regclass
 WHERE c.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_cast'::regclass AND e.objid = c.oid AND e.deptype IN ('e', 'i'))
