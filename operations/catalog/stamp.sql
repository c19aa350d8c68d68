-- One number that is another one as soon as anything has changed that the catalog's queries read: every row with the
-- transaction that wrote it. Of pg_class the columns instead, since TRUNCATE, REINDEX and VACUUM write rows there, too;
-- of what not everybody may read, what the queries read of it.
SELECT sum(h)::text FROM (
  SELECT hash_record_extended(ROW(oid, relname, relnamespace, relowner, relkind, relpersistence, relam, reltablespace,
           reltoastrelid, reloptions::text, relacl::text, relrowsecurity, relforcerowsecurity, relreplident,
           relispartition, relpartbound::text, reloftype, relispopulated), 1) FROM pg_class
  UNION ALL SELECT hash_record_extended(ROW(attrelid, attnum, xmin), 2) FROM pg_attribute WHERE attnum > 0
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 3) FROM pg_attrdef
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 4) FROM pg_constraint
  UNION ALL SELECT hash_record_extended(ROW(indexrelid, xmin), 5) FROM pg_index
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 6) FROM pg_type
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 7) FROM pg_enum
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 8) FROM pg_proc
  UNION ALL SELECT hash_record_extended(ROW(aggfnoid, xmin), 9) FROM pg_aggregate
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 10) FROM pg_trigger
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 11) FROM pg_rewrite
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 12) FROM pg_policy
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 13) FROM pg_namespace
  UNION ALL SELECT hash_record_extended(ROW(seqrelid, xmin), 14) FROM pg_sequence
  UNION ALL SELECT hash_record_extended(ROW(inhrelid, inhparent, xmin), 15) FROM pg_inherits
  UNION ALL SELECT hash_record_extended(ROW(partrelid, xmin), 16) FROM pg_partitioned_table
  UNION ALL SELECT hash_record_extended(ROW(classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype), 17)
              FROM pg_depend WHERE deptype IN ('a', 'e', 'i')
  UNION ALL SELECT hash_record_extended(ROW(classoid, objoid, objsubid, xmin), 18) FROM pg_description
  UNION ALL SELECT hash_record_extended(ROW(oid, stxname, stxnamespace, stxowner, xmin), 19) FROM pg_statistic_ext
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 20) FROM pg_collation
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 21) FROM pg_conversion
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 22) FROM pg_cast
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 23) FROM pg_operator
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 24) FROM pg_opclass
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 25) FROM pg_opfamily
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 26) FROM pg_amop
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 27) FROM pg_amproc
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 28) FROM pg_am
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 29) FROM pg_language
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 30) FROM pg_extension
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 31) FROM pg_event_trigger
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 32) FROM pg_ts_config
  UNION ALL SELECT hash_record_extended(ROW(mapcfg, maptokentype, mapseqno, xmin), 33) FROM pg_ts_config_map
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 34) FROM pg_ts_dict
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 35) FROM pg_ts_parser
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 36) FROM pg_ts_template
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 37) FROM pg_publication
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 38) FROM pg_publication_rel
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 39) FROM pg_foreign_data_wrapper
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 40) FROM pg_foreign_server
  UNION ALL SELECT hash_record_extended(ROW(ftrelid, xmin), 41) FROM pg_foreign_table
  UNION ALL SELECT hash_record_extended(ROW(umid, usename, srvname, umoptions::text), 42) FROM pg_user_mappings
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 43) FROM pg_default_acl
  UNION ALL SELECT hash_record_extended(ROW(objoid, classoid, objsubid, xmin), 44) FROM pg_init_privs
  UNION ALL SELECT hash_record_extended(ROW(objoid, classoid, objsubid, provider, xmin), 45) FROM pg_seclabel
  UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 46) FROM pg_transform
  UNION ALL SELECT hash_record_extended(ROW(rngtypid, xmin), 47) FROM pg_range
  UNION ALL SELECT hash_record_extended(ROW(oid, subname, subowner, subslotname, subpublications::text, subsynccommit), 48)
              FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL SELECT hash_record_extended(ROW(oid, rolname), 49) FROM pg_roles
  UNION ALL SELECT hash_record_extended(ROW(oid, spcname), 50) FROM pg_tablespace
) every (h)
