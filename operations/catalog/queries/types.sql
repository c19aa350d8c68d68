-- types: enums with their labels in order, domains, ranges, base and composite types (whose attributes are columns)
-- of pg_type.oid
SELECT n.nspname, NULL, format('type %I.%I', n.nspname, t.typname),
       jsonb_strip_nulls(jsonb_build_object(
         'owner', t.typowner::regrole::text,
         'kind', CASE WHEN NOT t.typisdefined THEN 'shell' ELSE t.typtype::text END,
         'labels', (SELECT jsonb_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
         'domain_of', CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
         'not_null', nullif(t.typnotnull, false),
         'default', coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault),
         'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> base.typcollation
                           THEN nullif(t.typcollation, 0)::regcollation::text END,
         'range', CASE WHEN r.rngtypid IS NOT NULL THEN jsonb_build_array(
                    format_type(r.rngsubtype, NULL), r.rngmultitypid::regtype::text,
                    nullif(r.rngcollation, 0)::regcollation::text, class.opcname,
                    r.rngcanonical::oid::regprocedure::text, r.rngsubdiff::oid::regprocedure::text) END,
         'base', CASE WHEN t.typtype = 'b' THEN jsonb_build_array(
                   t.typinput::oid::regprocedure::text, t.typoutput::oid::regprocedure::text,
                   t.typreceive::oid::regprocedure::text, t.typsend::oid::regprocedure::text,
                   t.typmodin::oid::regprocedure::text, t.typmodout::oid::regprocedure::text,
                   t.typanalyze::oid::regprocedure::text, t.typlen, t.typbyval, t.typalign, t.typstorage,
                   t.typcategory, t.typispreferred, t.typdelim, format_type(nullif(t.typelem, 0), NULL)) END,
         'comment', d.description))::text,
       t.typacl::text[], CASE WHEN t.typacl IS NOT NULL THEN acldefault('T', t.typowner)::text[] END
  FROM pg_type t
  JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_type base ON base.oid = t.typbasetype
  LEFT JOIN pg_range r ON r.rngtypid = t.oid
  LEFT JOIN pg_opclass class ON class.oid = r.rngsubopc
  LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND (t.typrelid = 0 OR c.relkind = 'c') AND t.typtype <> 'm'
   AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
