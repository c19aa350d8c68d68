-- operator families with their operators and support functions
-- of pg_opfamily.oid
SELECT n.nspname, NULL, format('operator family %I.%I using %I', n.nspname, f.opfname, am.amname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', f.opfowner::regrole::text,
         'operators', (SELECT jsonb_agg(m ORDER BY m) FROM (
             SELECT format('%s %s %s %s', o.amopstrategy, o.amoppurpose, o.amopopr::regoperator::text,
                           (SELECT s.opfname FROM pg_opfamily s WHERE s.oid = o.amopsortfamily)) AS m
               FROM pg_amop o WHERE o.amopfamily = f.oid) operators),
         'functions', (SELECT jsonb_agg(m ORDER BY m) FROM (
             SELECT format('%s (%s, %s) %s', p.amprocnum, format_type(p.amproclefttype, NULL),
                           format_type(p.amprocrighttype, NULL), p.amproc::oid::regprocedure::text) AS m
               FROM pg_amproc p WHERE p.amprocfamily = f.oid) functions),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_opfamily f
  JOIN pg_namespace n ON n.oid = f.opfnamespace
  JOIN pg_am am ON am.oid = f.opfmethod
  LEFT JOIN pg_description d ON d.objoid = f.oid AND d.classoid = 'pg_opfamily'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_opfamily'::regclass AND e.objid = f.oid AND e.deptype = 'e')
