-- triggers and when they fire; those behind foreign keys are their constraint's
-- of pg_trigger.oid
SELECT n.nspname, c.relname, format('trigger %I.%I.%I', n.nspname, c.relname, t.tgname),
       jsonb_strip_nulls(jsonb_build_object(
         'definition', pg_get_triggerdef(t.oid), 'enabled', nullif(t.tgenabled::text, 'O'),
         'comment', d.description))::text,
       NULL::text[], NULL::text[]
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_trigger'::regclass
 WHERE NOT t.tgisinternal AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
