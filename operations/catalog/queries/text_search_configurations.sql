-- text search configurations with their token mappings
-- of pg_ts_config.oid
SELECT n.nspname, NULL, format('text search configuration %I.%I', n.nspname, c.cfgname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', c.cfgowner::regrole::text,
         'parser', format('%I.%I', pn.nspname, p.prsname),
         'mappings', (SELECT jsonb_agg(m.line ORDER BY m.maptokentype, m.mapseqno) FROM (
             SELECT m.maptokentype, m.mapseqno, format('%s %s', k.alias, m.mapdict::regdictionary::text) AS line
               FROM pg_ts_config_map m
               JOIN ts_token_type(c.cfgparser) k ON k.tokid = m.maptokentype
              WHERE m.mapcfg = c.oid) m),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_ts_config c
  JOIN pg_namespace n ON n.oid = c.cfgnamespace
  JOIN pg_ts_parser p ON p.oid = c.cfgparser
  JOIN pg_namespace pn ON pn.oid = p.prsnamespace
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_ts_config'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_ts_config'::regclass AND e.objid = c.oid AND e.deptype = 'e')
