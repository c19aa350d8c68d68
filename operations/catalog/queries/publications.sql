-- publications: what they publish
-- of pg_publication.oid
SELECT NULL, NULL, format('publication %I', p.pubname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', p.pubowner::regrole::text,
         'operations', jsonb_build_array(p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate),
         'all_tables', nullif(p.puballtables, false),
         'via_root', nullif(p.pubviaroot, false),
         'generated', nullif(to_jsonb(p) ->> 'pubgencols', 'n'),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_publication p
  LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_publication'::regclass
 WHERE NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_publication'::regclass AND e.objid = p.oid AND e.deptype = 'e')
