-- text search parsers
-- of pg_ts_parser.oid
SELECT n.nspname, NULL, format('text search parser %I.%I', n.nspname, p.prsname),
       jsonb_strip_nulls(jsonb_build_object(
         'functions', jsonb_build_array(p.prsstart::text, p.prstoken::text, p.prsend::text, p.prsheadline::text,
                                        p.prslextype::text),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_ts_parser p
  JOIN pg_namespace n ON n.oid = p.prsnamespace
  LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_ts_parser'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_ts_parser'::regclass AND e.objid = p.oid AND e.deptype = 'e')
