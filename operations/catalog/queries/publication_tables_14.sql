-- tables of publications, which have neither column lists nor row filters yet
-- until 14
-- of pg_publication.oid
SELECT n.nspname, c.relname, format('publication %I of %I.%I', p.pubname, n.nspname, c.relname), '{}',
       NULL::text[], NULL::text[]
  FROM pg_publication_rel r
  JOIN pg_publication p ON p.oid = r.prpubid
  JOIN pg_class c ON c.oid = r.prrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
