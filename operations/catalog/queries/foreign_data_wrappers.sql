-- foreign data wrappers
-- of pg_foreign_data_wrapper.oid
SELECT NULL, NULL, format('foreign data wrapper %I', w.fdwname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', w.fdwowner::regrole::text, 'handler', nullif(w.fdwhandler, 0)::regprocedure::text,
         'validator', nullif(w.fdwvalidator, 0)::regprocedure::text,
         'options', to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(w.fdwoptions) o)),
         'comment', d.description))::text,
       w.fdwacl::text[], CASE WHEN w.fdwacl IS NOT NULL THEN acldefault('F', w.fdwowner)::text[] END
  FROM pg_foreign_data_wrapper w
  LEFT JOIN pg_description d ON d.objoid = w.oid AND d.classoid = 'pg_foreign_data_wrapper'::regclass
 WHERE NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid AND e.deptype = 'e')
