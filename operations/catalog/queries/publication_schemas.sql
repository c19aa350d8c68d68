-- schemas of publications
-- since 15
-- of pg_publication.oid
SELECT n.nspname, NULL, format('publication %I of schema %I', p.pubname, n.nspname), '{}', NULL::text[], NULL::text[]
  FROM pg_publication_namespace r
  JOIN pg_publication p ON p.oid = r.pnpubid
  JOIN pg_namespace n ON n.oid = r.pnnspid
