-- aggregate functions
-- of pg_aggregate.aggfnoid
SELECT n.nspname, NULL, format('aggregate %I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', p.proowner::regrole::text,
         'arguments', pg_get_function_arguments(p.oid),
         'parallel', nullif(p.proparallel::text, 'u'),
         'kind', nullif(a.aggkind::text, 'n'),
         'functions', jsonb_build_array(a.aggtransfn::regprocedure::text, a.aggfinalfn::regprocedure::text,
                                        a.aggcombinefn::regprocedure::text, a.aggserialfn::regprocedure::text,
                                        a.aggdeserialfn::regprocedure::text, a.aggmtransfn::regprocedure::text,
                                        a.aggminvtransfn::regprocedure::text, a.aggmfinalfn::regprocedure::text),
         'state', jsonb_build_array(format_type(a.aggtranstype, NULL), a.aggtransspace, a.agginitval,
                                    format_type(nullif(a.aggmtranstype, 0), NULL), a.aggmtransspace, a.aggminitval),
         'final', jsonb_build_array(a.aggfinalextra, a.aggfinalmodify, a.aggmfinalextra, a.aggmfinalmodify),
         'sort', nullif(a.aggsortop, 0)::regoperator::text,
         'comment', d.description))::text,
       p.proacl::text[], CASE WHEN p.proacl IS NOT NULL THEN acldefault('f', p.proowner)::text[] END
  FROM pg_aggregate a
  JOIN pg_proc p ON p.oid = a.aggfnoid
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
