-- extended statistics and their target
-- of pg_statistic_ext.oid
SELECT n.nspname, c.relname, format('statistics %I.%I', n.nspname, s.stxname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', s.stxowner::regrole::text, 'definition', pg_get_statisticsobjdef(s.oid),
         'target', nullif(s.stxstattarget, -1), 'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_statistic_ext s
  JOIN pg_class c ON c.oid = s.stxrelid
  JOIN pg_namespace n ON n.oid = s.stxnamespace
  LEFT JOIN pg_description d ON d.objoid = s.oid AND d.classoid = 'pg_statistic_ext'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_statistic_ext'::regclass AND e.objid = s.oid AND e.deptype = 'e')
