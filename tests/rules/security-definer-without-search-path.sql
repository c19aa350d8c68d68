-- === bad: callers choose
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
-- === good: it is set, or its names are resolved already, or nobody is served
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1';
CREATE FUNCTION g() RETURNS int LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT 1; END;
CREATE FUNCTION h() RETURNS int LANGUAGE sql SECURITY INVOKER AS 'SELECT 1';
