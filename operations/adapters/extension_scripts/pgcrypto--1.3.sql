-- stands in for pgcrypto where a trial server lacks it: the same names, values of the same kind, no cryptography
CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql AS $$ SELECT pg_catalog.gen_random_uuid() $$;
CREATE FUNCTION gen_random_bytes(integer) RETURNS bytea LANGUAGE sql
    AS $$ SELECT pg_catalog.substr(pg_catalog.sha512(pg_catalog.random()::text::bytea), 1, $1) $$;
CREATE FUNCTION digest(text, text) RETURNS bytea LANGUAGE sql IMMUTABLE
    AS $$ SELECT pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8')) $$;
CREATE FUNCTION digest(bytea, text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.sha256($1) $$;
CREATE FUNCTION hmac(text, text, text) RETURNS bytea LANGUAGE sql IMMUTABLE
    AS $$ SELECT pg_catalog.sha256(pg_catalog.convert_to($1 || $2, 'UTF8')) $$;
CREATE FUNCTION hmac(bytea, bytea, text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.sha256($1 || $2) $$;
CREATE FUNCTION gen_salt(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_catalog.md5(pg_catalog.random()::text) $$;
CREATE FUNCTION gen_salt(text, integer) RETURNS text LANGUAGE sql
    AS $$ SELECT pg_catalog.md5(pg_catalog.random()::text) $$;
CREATE FUNCTION crypt(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.md5($1 || $2) $$;
CREATE FUNCTION pgp_sym_encrypt(text, text) RETURNS bytea LANGUAGE sql
    AS $$ SELECT pg_catalog.convert_to($1, 'UTF8') $$;
CREATE FUNCTION pgp_sym_decrypt(bytea, text) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT pg_catalog.convert_from($1, 'UTF8') $$;
