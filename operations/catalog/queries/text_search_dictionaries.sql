-- text search dictionaries
-- of pg_ts_dict.oid
SELECT n.nspname, NULL, format('text search dictionary %I.%I', n.nspname, x.dictname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', x.dictowner::regrole::text, 'template', format('%I.%I', tn.nspname, t.tmplname),
         'options', x.dictinitoption, 'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_ts_dict x
  JOIN pg_namespace n ON n.oid = x.dictnamespace
  JOIN pg_ts_template t ON t.oid = x.dicttemplate
  JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
  LEFT JOIN pg_description d ON d.objoid = x.oid AND d.classoid = 'pg_ts_dict'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_ts_dict'::regclass AND e.objid = x.oid AND e.deptype = 'e')
